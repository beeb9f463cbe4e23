package io.coffer.bench.jmh;

import java.security.GeneralSecurityException;
import java.util.concurrent.TimeUnit;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What the JDK's own AES-GCM does on 4 KiB in the heap: the limit of a block engine built on it.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class JdkCipherBenchmark {
  private static final int BLOCK_BYTES = 4096;
  private static final int TAG_BYTES = 16;

  private final byte[] plain = new byte[BLOCK_BYTES];
  private final byte[] sealed = new byte[BLOCK_BYTES + TAG_BYTES];
  private final byte[] nonce = new byte[16];
  private final SecretKeySpec key = new SecretKeySpec(new byte[32], "AES");
  private final Cipher encrypt;
  private final Cipher decrypt;

  /** Made by JMH. */
  public JdkCipherBenchmark() {
    try {
      encrypt = Cipher.getInstance("AES/GCM/NoPadding");
      decrypt = Cipher.getInstance("AES/GCM/NoPadding");
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Something to open. */
  @Setup
  public void sealOnce() throws GeneralSecurityException {
    seal();
  }

  /** Seals one block under a nonce that was not used before. */
  @Benchmark
  public int seal() throws GeneralSecurityException {
    nonce[0]++;
    for (int i = 0; nonce[i] == 0 && i < nonce.length - 1; i++) {
      nonce[i + 1]++;
    }
    encrypt.init(Cipher.ENCRYPT_MODE, key, new GCMParameterSpec(8 * TAG_BYTES, nonce));
    return encrypt.doFinal(plain, 0, BLOCK_BYTES, sealed, 0);
  }

  /** Opens one block. */
  @Benchmark
  public int open() throws GeneralSecurityException {
    decrypt.init(Cipher.DECRYPT_MODE, key, new GCMParameterSpec(8 * TAG_BYTES, nonce));
    return decrypt.doFinal(sealed, 0, sealed.length, plain, 0);
  }
}
