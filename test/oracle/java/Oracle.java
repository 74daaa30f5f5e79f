import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;

/**
 * Kafka's message classes as a service on standard input and output. Every question and every answer is an int32 length
 * and so many bytes; a whole frame is header and message, without the size in front.
 *
 *   question  uint8 kind, int16 api key, uint8 is response, int16 version
 *             kind 0 versions           answer: int16 lowest, int16 highest of those the classes have
 *             kind 1 random frame       int64 seed, uint8 beyond 2^53
 *                                       answer: int32 length and bytes of the frame; then those of the plain frame
 *             kind 2 rewrite            the rest is a frame; answer: the frame as Kafka writes what it read
 *   answer    uint8 0, then as above; or uint8 1 and the error's text in UTF-8
 */
public final class Oracle {
  private static final int VERSIONS = 0;
  private static final int RANDOM_FRAME = 1;
  private static final int REWRITE = 2;

  private final ApiMessageType api;
  private final boolean isResponse;
  private final short version;

  private Oracle(ApiMessageType api, boolean isResponse, short version) {
    this.api = api;
    this.isResponse = isResponse;
    this.version = version;
  }

  public static void main(String[] args) throws Exception {
    DataInputStream in = new DataInputStream(new BufferedInputStream(System.in, 1 << 16));
    DataOutputStream out = new DataOutputStream(new BufferedOutputStream(System.out, 1 << 16));
    System.setOut(new PrintStream(System.err)); // Nothing but answers may reach the output.
    while (true) {
      byte[] question;
      try {
        question = new byte[in.readInt()];
      } catch (EOFException end) {
        return;
      }
      in.readFully(question);
      byte[] answer = answer(ByteBuffer.wrap(question));
      out.writeInt(answer.length);
      out.write(answer);
      if (in.available() == 0) out.flush();
    }
  }

  private static byte[] answer(ByteBuffer question) throws Exception {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    DataOutputStream answer = new DataOutputStream(bytes);
    try {
      int kind = question.get();
      ApiMessageType api = ApiMessageType.fromApiKey(question.getShort());
      Oracle oracle = new Oracle(api, question.get() != 0, question.getShort());
      answer.write(0);
      if (kind == VERSIONS) {
        answer.writeShort(api.lowestSupportedVersion());
        answer.writeShort(api.highestSupportedVersion(true));
      } else if (kind == RANDOM_FRAME) {
        long seed = question.getLong();
        boolean beyondSafe = question.get() != 0;
        for (boolean plain : new boolean[] {false, true}) {
          byte[] frame = oracle.randomFrame(new RandomMessage(seed, plain, beyondSafe));
          answer.writeInt(frame.length);
          answer.write(frame);
        }
      } else if (kind == REWRITE) {
        answer.write(oracle.rewrite(question.slice()));
      }
    } catch (Exception error) {
      bytes.reset();
      answer.write(1);
      answer.write((error + (error.getCause() == null ? "" : ": " + error.getCause())).getBytes("UTF-8"));
    }
    return bytes.toByteArray();
  }

  private byte[] randomFrame(RandomMessage random) throws Exception {
    Message header = newHeader();
    short headerVersion = headerVersion();
    if (header instanceof RequestHeaderData) {
      random.fill(header, RequestHeaderData.SCHEMAS[headerVersion]);
      ((RequestHeaderData) header).setRequestApiKey(api.apiKey()).setRequestApiVersion(version);
    } else {
      random.fill(header, ResponseHeaderData.SCHEMAS[headerVersion]);
    }
    Message message = newMessage();
    random.fill(message, (isResponse ? api.responseSchemas() : api.requestSchemas())[version]);
    return written(header, message);
  }

  private byte[] rewrite(ByteBuffer frame) {
    ByteBufferAccessor readable = new ByteBufferAccessor(frame);
    Message header = newHeader();
    header.read(readable, headerVersion());
    Message message = newMessage();
    message.read(readable, version);
    if (readable.remaining() != 0) throw new IllegalStateException(readable.remaining() + " bytes left over");
    return written(header, message);
  }

  private byte[] written(Message header, Message message) {
    // Sizes are computed once and used by the writing, so each message has a cache for its own.
    ObjectSerializationCache headerCache = new ObjectSerializationCache();
    ObjectSerializationCache cache = new ObjectSerializationCache();
    int size = header.size(headerCache, headerVersion()) + message.size(cache, version);
    ByteBuffer buffer = ByteBuffer.allocate(size);
    ByteBufferAccessor writable = new ByteBufferAccessor(buffer);
    header.write(writable, headerCache, headerVersion());
    message.write(writable, cache, version);
    if (buffer.hasRemaining()) throw new IllegalStateException("wrote fewer bytes than it had counted");
    return buffer.array();
  }

  private Message newHeader() {
    return isResponse ? new ResponseHeaderData() : new RequestHeaderData();
  }

  private Message newMessage() {
    return isResponse ? api.newResponse() : api.newRequest();
  }

  private short headerVersion() {
    return isResponse ? api.responseHeaderVersion(version) : api.requestHeaderVersion(version);
  }
}
