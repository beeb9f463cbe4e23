package io.coffer.format.gocryptfs;

/**
 * What a new volume shall be.
 *
 * @param cipher of file contents
 * @param plaintextNames file names stay as they are
 * @param deterministicNames directories have no IV of their own: the same name is encrypted alike
 *     in all of them
 * @param longNameMax stored names longer than this are hashed, 62 to 255
 * @param scryptLogN log2 of the cost of hashing the password, 10 to 28
 * @param creator what the configuration calls the program that made it
 */
public record GocryptfsOptions(
    GocryptfsCipher cipher,
    boolean plaintextNames,
    boolean deterministicNames,
    int longNameMax,
    int scryptLogN,
    String creator) {

  /** The longest name of a directory entry, on nearly every store. */
  public static final int NAME_MAX = 255;

  /** The hashed form of a long name, with the sidecar's suffix, has this length. */
  public static final int MIN_LONG_NAME_MAX = 62;

  /** The options of a volume of which nothing special is asked. */
  public static final GocryptfsOptions DEFAULT =
      new GocryptfsOptions(
          GocryptfsCipher.AES_GCM,
          false,
          false,
          NAME_MAX,
          ScryptParameters.DEFAULT_LOG_N,
          "Coffer 0.1.0");

  public GocryptfsOptions {
    if (longNameMax < MIN_LONG_NAME_MAX || longNameMax > NAME_MAX) {
      throw new IllegalArgumentException(
          "the longest stored name must be "
              + MIN_LONG_NAME_MAX
              + " to "
              + NAME_MAX
              + " bytes, not "
              + longNameMax);
    }
    if (scryptLogN < ScryptParameters.MIN_LOG_N || scryptLogN > ScryptParameters.MAX_LOG_N) {
      throw new IllegalArgumentException(
          "log2 of scrypt's N must be "
              + ScryptParameters.MIN_LOG_N
              + " to "
              + ScryptParameters.MAX_LOG_N
              + ", not "
              + scryptLogN);
    }
  }

  public GocryptfsOptions withCipher(GocryptfsCipher value) {
    return new GocryptfsOptions(
        value, plaintextNames, deterministicNames, longNameMax, scryptLogN, creator);
  }

  public GocryptfsOptions withPlaintextNames(boolean value) {
    return new GocryptfsOptions(
        cipher, value, deterministicNames, longNameMax, scryptLogN, creator);
  }

  public GocryptfsOptions withDeterministicNames(boolean value) {
    return new GocryptfsOptions(cipher, plaintextNames, value, longNameMax, scryptLogN, creator);
  }

  public GocryptfsOptions withLongNameMax(int value) {
    return new GocryptfsOptions(
        cipher, plaintextNames, deterministicNames, value, scryptLogN, creator);
  }

  public GocryptfsOptions withScryptLogN(int value) {
    return new GocryptfsOptions(
        cipher, plaintextNames, deterministicNames, longNameMax, value, creator);
  }

  public GocryptfsOptions withCreator(String value) {
    return new GocryptfsOptions(
        cipher, plaintextNames, deterministicNames, longNameMax, scryptLogN, value);
  }
}
