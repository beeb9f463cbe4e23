package io.coffer.acceptance;

import io.coffer.format.fscrypt.FscryptPolicy;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.SystemCall;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Locale;

/** The kernel's own fscrypt, by the ioctls of include/uapi/linux/fscrypt.h. */
final class KernelFscrypt {
  private static final int IOCTL =
      System.getProperty("os.arch", "").toLowerCase(Locale.ROOT).equals("aarch64") ? 29 : 16;
  private static final long READ = 2L << 30;
  private static final long READ_WRITE = 3L << 30;
  private static final long SET_POLICY = READ | request(12, 19);
  private static final long ADD_KEY = READ_WRITE | request(80, 23);
  private static final long REMOVE_KEY = READ_WRITE | request(64, 24);
  private static final long GET_NONCE = READ | request(16, 27);
  private static final int SPECIFIER_IDENTIFIER = 2;
  private static final int IDENTIFIER_BYTES = 16;
  private static final int ADD_KEY_BYTES = 80;

  private KernelFscrypt() {}

  private static long request(int size, int number) {
    return (long) size << 16 | 'f' << 8 | number;
  }

  private static void control(int descriptor, long request, MemorySegment argument)
      throws ErrnoException {
    SystemCall.call(IOCTL, descriptor, request, argument.address());
  }

  /** Gives a master key to a file system; returns the identifier that the kernel makes for it. */
  static byte[] addKey(int descriptor, byte[] raw) throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment argument = arena.allocate(ADD_KEY_BYTES + raw.length, 8);
      argument.set(ValueLayout.JAVA_INT, 0, SPECIFIER_IDENTIFIER);
      argument.set(ValueLayout.JAVA_INT, 40, raw.length);
      MemorySegment.copy(raw, 0, argument, ValueLayout.JAVA_BYTE, ADD_KEY_BYTES, raw.length);
      control(descriptor, ADD_KEY, argument);
      return argument.asSlice(8, IDENTIFIER_BYTES).toArray(ValueLayout.JAVA_BYTE);
    }
  }

  /** Takes a master key away; returns the flags that tell what is left of it. */
  static int removeKey(int descriptor, byte[] identifier) throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment argument = arena.allocate(64, 8);
      argument.set(ValueLayout.JAVA_INT, 0, SPECIFIER_IDENTIFIER);
      MemorySegment.copy(identifier, 0, argument, ValueLayout.JAVA_BYTE, 8, IDENTIFIER_BYTES);
      control(descriptor, REMOVE_KEY, argument);
      return argument.get(ValueLayout.JAVA_INT, 40);
    }
  }

  /** Sets the policy of an empty directory. */
  static void setPolicy(int directory, FscryptPolicy policy) throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      // struct fscrypt_policy_v2, written out here so that no code of the subject makes it.
      MemorySegment argument = arena.allocate(24, 8);
      argument.set(ValueLayout.JAVA_BYTE, 0, (byte) 2);
      argument.set(ValueLayout.JAVA_BYTE, 1, (byte) policy.contents().number());
      argument.set(ValueLayout.JAVA_BYTE, 2, (byte) policy.names().number());
      int padding =
          switch (policy.padding()) {
            case 4 -> 0;
            case 8 -> 1;
            case 16 -> 2;
            default -> 3;
          };
      argument.set(ValueLayout.JAVA_BYTE, 3, (byte) (padding | (policy.directKey() ? 4 : 0)));
      argument.set(ValueLayout.JAVA_BYTE, 4, (byte) policy.log2DataUnitSize());
      byte[] identifier = policy.masterKeyIdentifier();
      MemorySegment.copy(identifier, 0, argument, ValueLayout.JAVA_BYTE, 8, IDENTIFIER_BYTES);
      control(directory, SET_POLICY, argument);
    }
  }

  /** The nonce of an open file or directory. */
  static byte[] nonce(int descriptor) throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment argument = arena.allocate(16, 8);
      control(descriptor, GET_NONCE, argument);
      return argument.toArray(ValueLayout.JAVA_BYTE);
    }
  }
}
