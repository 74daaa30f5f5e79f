import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Properties;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Sends numbered records at a steady rate, to all partitions in turn, until its input ends; then waits for all answers.
 * Each partition's records are numbered from 0, and a value says "partition:number:" before its padding.
 *
 * <pre>
 * A partition number offset sent acked   a record was acknowledged; milliseconds since 1970
 * F partition number sent failed text    the client gave a record up
 * E sent                                 the end: how many records were sent in all
 * </pre>
 *
 * One record of each 61, of every partition in turn, has 500 times as many bytes as the others.
 *
 * Arguments: bootstrap topic partitions records-per-second record-bytes [config=value ...]
 */
public class ChaosProducer {
    /** A prime, so that large ones come to all partitions. */
    private static final int LARGE_EVERY = 61;
    private static final int LARGE_FACTOR = 500;
    private static final long WALL_MS = System.currentTimeMillis();
    private static final long NANOS = System.nanoTime();
    private static final StringBuilder LINES = new StringBuilder();
    private static final PrintStream OUT = new PrintStream(System.out, false, StandardCharsets.UTF_8);

    private static volatile boolean isStopping = false;

    public static void main(String[] args) throws Exception {
        String topic = args[1];
        int partitions = Integer.parseInt(args[2]);
        double perSecond = Double.parseDouble(args[3]);
        int bytes = Integer.parseInt(args[4]);
        Properties configs = new Properties();
        configs.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        configs.put(ProducerConfig.ACKS_CONFIG, "all");
        configs.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, "true");
        for (int i = 5; i < args.length; i++) {
            String[] config = args[i].split("=", 2);
            configs.put(config[0], config[1]);
        }
        background(ChaosProducer::waitForEndOfInput);
        background(ChaosProducer::printLines);
        long sent = 0;
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(configs, new ByteArraySerializer(), new ByteArraySerializer())) {
            long begin = System.nanoTime();
            while (!isStopping) {
                long due = begin + (long) (sent * 1e9 / perSecond);
                long left = due - System.nanoTime();
                if (left > 0) {
                    LockSupport.parkNanos(left);
                    continue;
                }
                int size = sent % LARGE_EVERY == 0 ? bytes * LARGE_FACTOR : bytes;
                send(producer, topic, (int) (sent % partitions), sent / partitions, size);
                sent += 1;
            }
        }
        say("E " + sent);
        flush();
    }

    private static void send(KafkaProducer<byte[], byte[]> producer, String topic, int partition, long number, int bytes) {
        long sentMs = nowMs();
        ProducerRecord<byte[], byte[]> record =
                new ProducerRecord<>(
                        topic, partition, ChaosValue.keyOf(partition, number), ChaosValue.of(partition, number, bytes));
        producer.send(record, (metadata, error) -> {
            if (error == null) {
                say("A " + partition + " " + number + " " + metadata.offset() + " " + sentMs + " " + nowMs());
            } else {
                String text = String.valueOf(error).replace('\n', ' ');
                say("F " + partition + " " + number + " " + sentMs + " " + nowMs() + " " + text);
            }
        });
    }

    private static long nowMs() {
        return WALL_MS + (System.nanoTime() - NANOS) / 1_000_000;
    }

    private static void say(String line) {
        synchronized (LINES) {
            LINES.append(line).append('\n');
        }
    }

    private static void flush() {
        String lines;
        synchronized (LINES) {
            lines = LINES.toString();
            LINES.setLength(0);
        }
        synchronized (OUT) {
            OUT.print(lines);
            OUT.flush();
        }
    }

    private static void background(Runnable work) {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        thread.start();
    }

    private static void printLines() {
        for (;;) {
            LockSupport.parkNanos(20_000_000);
            flush();
        }
    }

    private static void waitForEndOfInput() {
        try {
            while (System.in.read() >= 0) {
            }
        } catch (java.io.IOException closed) {
            // The same as its end.
        }
        isStopping = true;
    }
}
