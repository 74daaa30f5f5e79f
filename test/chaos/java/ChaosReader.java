import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads all partitions from the beginning, without a group: "follow" until its input ends, "once" up to where the logs
 * ended when it began; "last:N" only the last N offsets of each up to there. An offset that is out of range, or a log that
 * was truncated, ends it with status 1.
 *
 * <pre>
 * B partition offset          where it begins
 * R partition offset number   a record; its number is -1 if its key and value are none that were sent to this partition
 * </pre>
 *
 * Arguments: bootstrap topic partitions follow|once|last:N [config=value ...]
 */
public class ChaosReader {
    private static volatile boolean isStopping = false;

    public static void main(String[] args) throws Exception {
        Properties configs = new Properties();
        configs.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        configs.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "none");
        configs.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, "false");
        for (int i = 4; i < args.length; i++) {
            String[] config = args[i].split("=", 2);
            configs.put(config[0], config[1]);
        }
        boolean isOnce = !args[3].equals("follow");
        long last = args[3].startsWith("last:") ? Long.parseLong(args[3].substring(5)) : Long.MAX_VALUE;
        if (!isOnce) {
            waitForEndOfInput();
        }
        List<TopicPartition> partitions = new ArrayList<>();
        for (int i = 0; i < Integer.parseInt(args[2]); i++) {
            partitions.add(new TopicPartition(args[1], i));
        }
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(configs, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = isOnce ? consumer.endOffsets(partitions) : Map.of();
            for (Map.Entry<TopicPartition, Long> end : ends.entrySet()) {
                long begin = Math.max(consumer.position(end.getKey()), end.getValue() - last);
                consumer.seek(end.getKey(), begin);
                out.println("B " + end.getKey().partition() + " " + begin);
            }
            while (!isStopping && !(isOnce && isAt(consumer, ends))) {
                StringBuilder lines = new StringBuilder();
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                    long number = ChaosValue.numberOf(record);
                    lines.append("R ").append(record.partition()).append(' ').append(record.offset());
                    lines.append(' ').append(number).append('\n');
                }
                out.print(lines);
                out.flush();
            }
        }
    }

    private static boolean isAt(KafkaConsumer<byte[], byte[]> consumer, Map<TopicPartition, Long> ends) {
        for (Map.Entry<TopicPartition, Long> end : ends.entrySet()) {
            if (consumer.position(end.getKey()) < end.getValue()) {
                return false;
            }
        }
        return true;
    }

    private static void waitForEndOfInput() {
        Thread thread = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {
                }
            } catch (java.io.IOException closed) {
                // The same as its end.
            }
            isStopping = true;
        });
        thread.setDaemon(true);
        thread.start();
    }
}
