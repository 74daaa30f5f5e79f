import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;

/**
 * Fills one of Kafka's generated message classes with random values: by the schema that the class has for a version, so
 * only with what that version can say, and through the class's own setters.
 *
 * The same seed always draws the same values. `plain` changes what becomes of them, not what is drawn: no tagged fields
 * that the class does not know, and 64-bit integers brought within 2^53, which is what a codec that skips the former and
 * clamps the latter writes back.
 */
final class RandomMessage {
  private static final long SAFE_MAX = (1L << 53) - 1;
  private static final int[] INTS = {0, 1, -1, 127, 128, 255, 16383, 16384, 65535, Integer.MAX_VALUE, Integer.MIN_VALUE};
  private static final Map<Class<?>, Map<String, Method>> SETTERS = new HashMap<>();

  private final Random random;
  /** Unknown tagged fields are drawn apart, so that leaving them out changes nothing else. */
  private final Random unknown;
  private final boolean plain;
  private final boolean beyondSafe;
  /** Huge strings, byte arrays and arrays may appear. */
  private final boolean large;
  private int elementsLeft;
  private int bytesLeft;

  RandomMessage(long seed, boolean plain, boolean beyondSafe) {
    this.random = new Random(seed * 0x9E3779B97F4A7C15L);
    this.unknown = new Random(~seed * 0xC2B2AE3D27D4EB4FL);
    this.plain = plain;
    this.beyondSafe = beyondSafe;
    this.large = random.nextInt(24) == 0;
    this.elementsLeft = large ? 6000 : 120;
    this.bytesLeft = large ? 400_000 : 20_000;
  }

  void fill(Message message, Schema schema) throws Exception {
    Set<Integer> known = new TreeSet<>();
    boolean flexible = false;
    for (BoundField bound : schema.fields()) {
      if (bound.def.type instanceof TaggedFields) {
        flexible = true;
        for (Map.Entry<Integer, Field> tagged : taggedFields((TaggedFields) bound.def.type).entrySet()) {
          known.add(tagged.getKey());
          if (random.nextBoolean()) set(message, tagged.getValue());
        }
      } else {
        set(message, bound.def);
      }
    }
    if (flexible) addUnknownFields(message, known);
  }

  /** Older versions of the class have no getter for them. */
  @SuppressWarnings("unchecked")
  private static Map<Integer, Field> taggedFields(TaggedFields type) throws Exception {
    java.lang.reflect.Field fields = TaggedFields.class.getDeclaredField("fields");
    fields.setAccessible(true);
    return (Map<Integer, Field>) fields.get(type);
  }

  private void addUnknownFields(Message message, Set<Integer> known) {
    int count = unknown.nextInt(8) == 0 ? 1 + unknown.nextInt(3) : 0;
    Set<Integer> tags = new TreeSet<>();
    for (int i = 0; i < count; i++) {
      int tag = unknown.nextInt(3) == 0 ? unknown.nextInt(Integer.MAX_VALUE) : unknown.nextInt(200);
      if (!known.contains(tag)) tags.add(tag);
    }
    for (int tag : tags) {
      byte[] content = new byte[unknown.nextInt(10) == 0 ? unknown.nextInt(20_000) : unknown.nextInt(40)];
      unknown.nextBytes(content);
      if (!plain) message.unknownTaggedFields().add(new RawTaggedField(tag, content));
    }
  }

  private void set(Message message, Field field) throws Exception {
    Method setter = setters(message.getClass()).get(field.name.replace("_", ""));
    if (setter == null) throw new IllegalStateException(message.getClass() + " has no setter for " + field.name);
    Type type = setter.getGenericParameterTypes()[0];
    boolean isUnsigned16 = field.type.toString().equals("UINT16");
    Object value = isUnsigned16 ? (Object) (anyInt() & 0xffff) : value(type, field.type, nullable(message, setter, field));
    // Kafka's default in a fetch is the largest int64, "nothing known", and our codec's the largest safe integer.
    if (plain && message.getClass().getSimpleName().equals("FetchPartition") && field.name.equals("high_watermark")
        && value.equals(SAFE_MAX)) {
      value = Long.MAX_VALUE;
    }
    setter.invoke(message, value);
  }

  /** Older schemas do not say of a struct that it may be null; but then its default is. */
  private static boolean nullable(Message message, Method setter, Field field) throws Exception {
    if (field.type.isNullable()) return true;
    if (!(field.type instanceof Schema)) return false;
    String getter = setter.getName().substring(3, 4).toLowerCase(Locale.ROOT) + setter.getName().substring(4);
    return message.getClass().getMethod(getter).invoke(message) == null;
  }

  private Object value(Type type, org.apache.kafka.common.protocol.types.Type wire, boolean nullable) throws Exception {
    if (nullable && random.nextInt(5) == 0) return null;
    if (type == boolean.class || type == Boolean.class) return random.nextBoolean();
    if (type == byte.class || type == Byte.class) return (byte) anyInt();
    if (type == short.class || type == Short.class) return (short) anyInt();
    if (type == int.class || type == Integer.class) return anyInt();
    if (type == long.class || type == Long.class) return anyLong();
    if (type == double.class) return Double.longBitsToDouble(random.nextLong());
    if (type == String.class) return anyString();
    if (type == Uuid.class) return random.nextInt(5) == 0 ? Uuid.ZERO_UUID : new Uuid(random.nextLong(), random.nextLong());
    if (type == byte[].class) return anyBytes();
    if (type == ByteBuffer.class) return ByteBuffer.wrap(anyBytes());
    if (wire.isArray()) return anyCollection(type, wire);
    if (wire instanceof Schema) {
      Message struct = (Message) ((Class<?>) type).getDeclaredConstructor().newInstance();
      fill(struct, (Schema) wire);
      return struct;
    }
    if (((Class<?>) type).getSimpleName().equals("BaseRecords")) return anyRecords((Class<?>) type);
    throw new IllegalStateException("no random value for " + type);
  }

  /** Any bytes: the classes do not look into them. The records' package is not the same in all of Kafka's versions. */
  private Object anyRecords(Class<?> type) throws Exception {
    Class<?> records = Class.forName(type.getPackageName() + ".MemoryRecords");
    return records.getMethod("readableRecords", ByteBuffer.class).invoke(null, ByteBuffer.wrap(anyBytes()));
  }

  @SuppressWarnings("unchecked")
  private Object anyCollection(Type type, org.apache.kafka.common.protocol.types.Type wire) throws Exception {
    Type element;
    Collection<Object> values;
    if (type instanceof ParameterizedType) {
      element = ((ParameterizedType) type).getActualTypeArguments()[0];
      values = new ArrayList<>();
    } else {
      Class<?> collection = (Class<?>) type;
      element = ((ParameterizedType) collection.getGenericSuperclass()).getActualTypeArguments()[0];
      values = (Collection<Object>) collection.getDeclaredConstructor().newInstance();
    }
    org.apache.kafka.common.protocol.types.Type elementWire = wire.arrayElementType().get();
    boolean isStruct = elementWire instanceof Schema;
    int count = large && random.nextInt(4) == 0 ? random.nextInt(isStruct ? 300 : 3000) : random.nextInt(5);
    for (int i = 0; i < count && elementsLeft > 0; i++) {
      elementsLeft--;
      values.add(value(element, elementWire, false));
    }
    return values;
  }

  private int anyInt() {
    switch (random.nextInt(3)) {
      case 0:
        return INTS[random.nextInt(INTS.length)];
      case 1:
        return random.nextInt(1000);
      default:
        return random.nextInt();
    }
  }

  private long anyLong() {
    long value;
    switch (random.nextInt(6)) {
      case 0:
        value = anyInt();
        break;
      case 1:
        value = random.nextBoolean() ? SAFE_MAX : -SAFE_MAX;
        break;
      case 2:
        value = random.nextInt(1000) - 1;
        break;
      case 3:
        value = beyondSafe ? (random.nextBoolean() ? Long.MAX_VALUE : Long.MIN_VALUE) : Math.floorMod(random.nextLong(), 1L << 33);
        break;
      case 4:
        value = beyondSafe ? random.nextLong() : random.nextLong() >> 11;
        break;
      default:
        value = random.nextLong() >> 11;
    }
    return plain ? Math.max(-SAFE_MAX, Math.min(SAFE_MAX, value)) : value;
  }

  /** Code points of all planes, with those that encoders like to get wrong; never half a surrogate pair. */
  private String anyString() {
    int bytes;
    if (large && random.nextInt(6) == 0) bytes = random.nextBoolean() ? Short.MAX_VALUE : random.nextInt(Short.MAX_VALUE);
    else bytes = random.nextInt(6) == 0 ? 100 + random.nextInt(200) : random.nextInt(24);
    bytes = Math.min(bytes, bytesLeft);
    bytesLeft -= bytes;
    boolean ascii = random.nextBoolean();
    StringBuilder text = new StringBuilder();
    while (bytes > 0) {
      int point = ascii || bytes < 4 ? random.nextInt(128) : anyCodePoint();
      bytes -= point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
      text.appendCodePoint(point);
    }
    return text.toString();
  }

  private int anyCodePoint() {
    switch (random.nextInt(5)) {
      case 0:
        return 0x80 + random.nextInt(0x780);
      case 1:
        return 0x800 + random.nextInt(0xd000);
      case 2:
        return 0xe000 + random.nextInt(0x2000);
      case 3:
        return 0xfeff; // byte order mark
      default:
        return 0x10000 + random.nextInt(0x100000);
    }
  }

  private byte[] anyBytes() {
    int length = large && random.nextInt(3) == 0 ? random.nextInt(150_000) : random.nextInt(6) == 0 ? random.nextInt(2000) : random.nextInt(40);
    length = Math.min(length, bytesLeft);
    bytesLeft -= length;
    byte[] bytes = new byte[length];
    random.nextBytes(bytes);
    return bytes;
  }

  private static Map<String, Method> setters(Class<?> type) {
    return SETTERS.computeIfAbsent(type, (key) -> {
      Map<String, Method> setters = new HashMap<>();
      for (Method method : key.getMethods()) {
        if (method.getName().startsWith("set") && method.getParameterCount() == 1) {
          setters.put(method.getName().substring(3).toLowerCase(Locale.ROOT), method);
        }
      }
      return setters;
    });
  }
}
