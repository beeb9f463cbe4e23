package io.coffer.crypto;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * XChaCha with twelve rounds: the stream cipher within Adiantum. As XChaCha20 of
 * draft-irtf-cfrg-xchacha-03, but for the rounds, and with a 64-bit block counter from 0.
 */
final class XChaCha12 {
  private static final int ROUNDS = 12;
  private static final int KEY_WORDS = 8;
  private static final int BLOCK_BYTES = 64;
  private static final VarHandle INT_LE =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
  private static final int[] CONSTANTS = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

  private XChaCha12() {}

  /**
   * Adds the key stream to data in place.
   *
   * @param key eight words
   * @param nonce six words
   * @param work 40 words for the state, overwritten
   * @param block 64 bytes, overwritten with key stream
   */
  static void add(
      int[] key, int[] nonce, int[] work, byte[] block, byte[] data, int position, int bytes) {
    int[] state = work;
    System.arraycopy(CONSTANTS, 0, state, 0, 4);
    System.arraycopy(key, 0, state, 4, KEY_WORDS);
    System.arraycopy(nonce, 0, state, 12, 4);
    rounds(state, 16);
    // The sub key: first and last row of what HChaCha leaves.
    System.arraycopy(state, 16, state, 4, 4);
    System.arraycopy(state, 28, state, 8, 4);
    state[12] = 0;
    state[13] = 0;
    state[14] = nonce[4];
    state[15] = nonce[5];
    int done = 0;
    while (done < bytes) {
      rounds(state, 16);
      int some = Math.min(BLOCK_BYTES, bytes - done);
      if (some == BLOCK_BYTES) {
        for (int i = 0; i < 16; i++) {
          int at = position + done + 4 * i;
          INT_LE.set(data, at, (int) INT_LE.get(data, at) ^ state[16 + i] + state[i]);
        }
      } else {
        for (int i = 0; i < 16; i++) {
          INT_LE.set(block, 4 * i, state[16 + i] + state[i]);
        }
        for (int i = 0; i < some; i++) {
          data[position + done + i] ^= block[i];
        }
        Arrays.fill(block, (byte) 0);
      }
      done += some;
      if (++state[12] == 0) {
        state[13]++;
      }
    }
    Arrays.fill(state, 0);
  }

  /** The permutation of the first sixteen words, written to {@code to}. */
  private static void rounds(int[] state, int to) {
    int x0 = state[0];
    int x1 = state[1];
    int x2 = state[2];
    int x3 = state[3];
    int x4 = state[4];
    int x5 = state[5];
    int x6 = state[6];
    int x7 = state[7];
    int x8 = state[8];
    int x9 = state[9];
    int x10 = state[10];
    int x11 = state[11];
    int x12 = state[12];
    int x13 = state[13];
    int x14 = state[14];
    int x15 = state[15];
    for (int i = 0; i < ROUNDS; i += 2) {
      x0 += x4;
      x1 += x5;
      x2 += x6;
      x3 += x7;
      x12 = Integer.rotateLeft(x12 ^ x0, 16);
      x13 = Integer.rotateLeft(x13 ^ x1, 16);
      x14 = Integer.rotateLeft(x14 ^ x2, 16);
      x15 = Integer.rotateLeft(x15 ^ x3, 16);
      x8 += x12;
      x9 += x13;
      x10 += x14;
      x11 += x15;
      x4 = Integer.rotateLeft(x4 ^ x8, 12);
      x5 = Integer.rotateLeft(x5 ^ x9, 12);
      x6 = Integer.rotateLeft(x6 ^ x10, 12);
      x7 = Integer.rotateLeft(x7 ^ x11, 12);
      x0 += x4;
      x1 += x5;
      x2 += x6;
      x3 += x7;
      x12 = Integer.rotateLeft(x12 ^ x0, 8);
      x13 = Integer.rotateLeft(x13 ^ x1, 8);
      x14 = Integer.rotateLeft(x14 ^ x2, 8);
      x15 = Integer.rotateLeft(x15 ^ x3, 8);
      x8 += x12;
      x9 += x13;
      x10 += x14;
      x11 += x15;
      x4 = Integer.rotateLeft(x4 ^ x8, 7);
      x5 = Integer.rotateLeft(x5 ^ x9, 7);
      x6 = Integer.rotateLeft(x6 ^ x10, 7);
      x7 = Integer.rotateLeft(x7 ^ x11, 7);

      x0 += x5;
      x1 += x6;
      x2 += x7;
      x3 += x4;
      x15 = Integer.rotateLeft(x15 ^ x0, 16);
      x12 = Integer.rotateLeft(x12 ^ x1, 16);
      x13 = Integer.rotateLeft(x13 ^ x2, 16);
      x14 = Integer.rotateLeft(x14 ^ x3, 16);
      x10 += x15;
      x11 += x12;
      x8 += x13;
      x9 += x14;
      x5 = Integer.rotateLeft(x5 ^ x10, 12);
      x6 = Integer.rotateLeft(x6 ^ x11, 12);
      x7 = Integer.rotateLeft(x7 ^ x8, 12);
      x4 = Integer.rotateLeft(x4 ^ x9, 12);
      x0 += x5;
      x1 += x6;
      x2 += x7;
      x3 += x4;
      x15 = Integer.rotateLeft(x15 ^ x0, 8);
      x12 = Integer.rotateLeft(x12 ^ x1, 8);
      x13 = Integer.rotateLeft(x13 ^ x2, 8);
      x14 = Integer.rotateLeft(x14 ^ x3, 8);
      x10 += x15;
      x11 += x12;
      x8 += x13;
      x9 += x14;
      x5 = Integer.rotateLeft(x5 ^ x10, 7);
      x6 = Integer.rotateLeft(x6 ^ x11, 7);
      x7 = Integer.rotateLeft(x7 ^ x8, 7);
      x4 = Integer.rotateLeft(x4 ^ x9, 7);
    }
    state[to] = x0;
    state[to + 1] = x1;
    state[to + 2] = x2;
    state[to + 3] = x3;
    state[to + 4] = x4;
    state[to + 5] = x5;
    state[to + 6] = x6;
    state[to + 7] = x7;
    state[to + 8] = x8;
    state[to + 9] = x9;
    state[to + 10] = x10;
    state[to + 11] = x11;
    state[to + 12] = x12;
    state[to + 13] = x13;
    state[to + 14] = x14;
    state[to + 15] = x15;
  }
}
