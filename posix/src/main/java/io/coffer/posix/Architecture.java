package io.coffer.posix;

/** Which of the supported processor architectures this is. */
final class Architecture {
  static final boolean IS_X86_64;

  static {
    String name = System.getProperty("os.arch", "");
    IS_X86_64 = name.equals("amd64") || name.equals("x86_64");
    if (!IS_X86_64 && !name.equals("aarch64")) {
      throw new UnsupportedOperationException(
          "Coffer runs on Linux on x86-64 and aarch64; this is " + name);
    }
  }

  private Architecture() {}
}
