import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** "partition:number:" and dots up to the size, so that a value that was cut or mixed up is seen; the key has no dots. */
final class ChaosValue {
    private ChaosValue() {}

    static byte[] of(int partition, long number, int bytes) {
        byte[] head = keyOf(partition, number);
        byte[] value = Arrays.copyOf(head, Math.max(head.length, bytes));
        Arrays.fill(value, head.length, value.length, (byte) '.');
        return value;
    }

    /** No two records have the same. */
    static byte[] keyOf(int partition, long number) {
        return (partition + ":" + number + ":").getBytes(StandardCharsets.UTF_8);
    }

    /** The record's number, or -1 if this is none that was sent to its partition. */
    static long numberOf(ConsumerRecord<byte[], byte[]> record) {
        byte[] value = record.value();
        int partition = record.partition();
        String text = value == null ? "" : new String(value, StandardCharsets.UTF_8);
        String[] parts = text.split(":", 3);
        if (parts.length < 3 || !parts[0].equals(String.valueOf(partition))) {
            return -1;
        }
        try {
            long number = Long.parseLong(parts[1]);
            boolean isWhole = Arrays.equals(value, of(partition, number, value.length));
            return isWhole && Arrays.equals(record.key(), keyOf(partition, number)) ? number : -1;
        } catch (NumberFormatException garbled) {
            return -1;
        }
    }
}
