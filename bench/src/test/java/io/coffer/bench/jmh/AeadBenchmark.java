package io.coffer.bench.jmh;

import io.coffer.crypto.Aead;
import io.coffer.crypto.AesGcm;
import io.coffer.crypto.AesSiv;
import io.coffer.crypto.XChaCha20Poly1305;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Random;
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

/** One block of 4 KiB through each cipher, from heap array to heap array. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class AeadBenchmark {
  private static final int BLOCK_BYTES = 4096;
  private static final int LARGEST_OVERHEAD = 40;
  private static final VarHandle NONCE =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  /** As in the classes' names. */
  @Param({"AesGcm", "AesSiv", "XChaCha20Poly1305"})
  private String cipher = "AesGcm";

  private final byte[] associated = new byte[24];
  private final byte[] plain = new byte[BLOCK_BYTES];
  private final byte[] sealed = new byte[BLOCK_BYTES + LARGEST_OVERHEAD];
  private long nonce;
  private Aead aead = new AesGcm(new byte[32], 16);

  /** Makes the cipher, and something to open. */
  @Setup
  public void prepare() {
    var random = new Random(1);
    byte[] key = new byte[cipher.equals("AesSiv") ? 64 : 32];
    random.nextBytes(key);
    random.nextBytes(plain);
    aead =
        switch (cipher) {
          case "AesSiv" -> new AesSiv(key);
          case "XChaCha20Poly1305" -> new XChaCha20Poly1305(key);
          default -> new AesGcm(key, 16);
        };
    seal();
  }

  /** Seals a block under a new nonce. */
  @Benchmark
  public int seal() {
    NONCE.set(sealed, 0, ++nonce);
    return aead.seal(associated, plain, 0, BLOCK_BYTES, sealed, 0);
  }

  /** Opens a block. */
  @Benchmark
  public boolean open() {
    return aead.open(associated, sealed, 0, BLOCK_BYTES + aead.overheadBytes(), plain, 0);
  }
}
