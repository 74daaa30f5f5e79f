import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** "partition:number:" and dots up to the size, so that a value that was cut or mixed up is seen. */
final class ChaosValue {
    private ChaosValue() {}

    static byte[] of(int partition, long number, int bytes) {
        byte[] head = (partition + ":" + number + ":").getBytes(StandardCharsets.UTF_8);
        byte[] value = Arrays.copyOf(head, Math.max(head.length, bytes));
        Arrays.fill(value, head.length, value.length, (byte) '.');
        return value;
    }

    /** The record's number, or -1 if this is no value of that partition. */
    static long numberOf(byte[] value, int partition) {
        String text = value == null ? "" : new String(value, StandardCharsets.UTF_8);
        String[] parts = text.split(":", 3);
        if (parts.length < 3 || !parts[0].equals(String.valueOf(partition))) {
            return -1;
        }
        try {
            long number = Long.parseLong(parts[1]);
            return Arrays.equals(value, of(partition, number, value.length)) ? number : -1;
        } catch (NumberFormatException garbled) {
            return -1;
        }
    }
}
