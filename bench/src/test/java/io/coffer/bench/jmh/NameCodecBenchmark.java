package io.coffer.bench.jmh;

import io.coffer.format.FormatException;
import io.coffer.format.NameCodec;
import io.coffer.format.VolumeFormat;
import io.coffer.format.gocryptfs.GocryptfsCipher;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** One name of a directory, as in a lookup (encode) or in a listing (decode). */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class NameCodecBenchmark {
  /** Bytes of the plain name; 200 make a long name, whose stored form is a hash and a sidecar. */
  @Param({"10", "40", "200"})
  private int length = 10;

  private NameCodec codec = codec();
  private byte[] plain = {};
  private byte[] stored = {};
  private byte[] sidecar = {};

  private static NameCodec codec() {
    VolumeFormat format = Volumes.gocryptfs(GocryptfsCipher.AES_GCM);
    try {
      return format.names(format.newDirectoryContext());
    } catch (FormatException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Makes a name. */
  @Setup
  public void prepare() throws FormatException {
    codec = codec();
    plain = "n".repeat(length).getBytes(StandardCharsets.US_ASCII);
    NameCodec.StoredName name = codec.encode(plain);
    stored = name.name();
    byte[] content = name.sidecarContent();
    sidecar = content == null ? new byte[0] : content;
  }

  /** Plain to stored. */
  @Benchmark
  public NameCodec.StoredName encode() throws FormatException {
    return codec.encode(plain);
  }

  /** Stored to plain. */
  @Benchmark
  public byte[] decode() throws FormatException {
    return sidecar.length > 0 ? codec.decodeLong(stored, sidecar) : codec.decode(stored);
  }
}
