package io.coffer.keyserver.pkcs11;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.coffer.crypto.RandomBytes;
import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.pkcs11.Cryptoki.Function;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.Collectors;

/**
 * A session with a PKCS#11 token, logged in as its user. It finds or makes an AES key that cannot
 * leave the token, and has the token wrap secrets under it. One at a time in a process: opening
 * another waits. Close it in the thread that opened it.
 */
public final class Token implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("io.coffer.keyserver");

  /** A process has one initialized state of a library. */
  private static final ReentrantLock ONE = new ReentrantLock();

  private static final byte[] ASSOCIATED =
      "coffer keyserver seal pkcs11 1".getBytes(StandardCharsets.US_ASCII);
  private static final int GCM_IV_BYTES = 12;
  private static final int CBC_IV_BYTES = 16;
  private static final int TAG_BITS = 128;
  private static final int MOST_OUTPUT = 512;
  private static final int MOST_SLOTS = 1024;

  private static final long CKF_OS_LOCKING_OK = 2;
  private static final long CKF_TOKEN_INITIALIZED = 0x400;
  private static final long CKF_PIN_COUNT_LOW = 0x10000;
  private static final long CKF_PIN_FINAL_TRY = 0x20000;
  private static final long CKF_PIN_LOCKED = 0x40000;
  private static final long CKF_RW_SESSION = 2;
  private static final long CKF_SERIAL_SESSION = 4;
  private static final long CKF_ENCRYPT = 0x100;
  private static final long CKU_USER = 1;
  private static final long CKO_SECRET_KEY = 4;
  private static final long CKK_AES = 0x1f;
  private static final long CKM_AES_KEY_GEN = 0x1080;
  private static final long CKM_AES_CBC_PAD = 0x1085;
  private static final long CKM_AES_GCM = 0x1087;
  private static final long CKA_CLASS = 0;
  private static final long CKA_TOKEN = 1;
  private static final long CKA_PRIVATE = 2;
  private static final long CKA_LABEL = 3;
  private static final long CKA_KEY_TYPE = 0x100;
  private static final long CKA_SENSITIVE = 0x103;
  private static final long CKA_ENCRYPT = 0x104;
  private static final long CKA_DECRYPT = 0x105;
  private static final long CKA_WRAP = 0x106;
  private static final long CKA_UNWRAP = 0x107;
  private static final long CKA_VALUE_LEN = 0x161;
  private static final long CKA_EXTRACTABLE = 0x162;
  private static final long CKA_NEVER_EXTRACTABLE = 0x164;
  private static final long CKA_ALWAYS_SENSITIVE = 0x165;

  /**
   * What a token made of a secret.
   *
   * @param mechanism aes-gcm, or aes-cbc where the token has no GCM
   */
  public record Wrapped(String mechanism, byte[] iv, byte[] bytes) {}

  private record Found(long slot, String label, String serial, long flags) {
    String text() {
      return "'" + label + "' (serial number " + serial + ", slot " + slot + ")";
    }
  }

  private final Cryptoki library;
  private final boolean initialized;
  private final long slot;
  private final long session;
  private final String label;

  private Token(Cryptoki library, boolean initialized, long slot, long session, String label) {
    this.library = library;
    this.initialized = initialized;
    this.slot = slot;
    this.session = session;
    this.label = label;
  }

  /**
   * Opens a session.
   *
   * @param path of the PKCS#11 library
   * @param name the token's label or serial number
   * @throws TokenException if the library, the token or the PIN is not right
   */
  public static Token open(Path path, String name, SecretBytes pin) throws TokenException {
    ONE.lock();
    boolean opened = false;
    try {
      Cryptoki library = Cryptoki.load(path);
      boolean initialized = initialize(library);
      try {
        Found found = find(library, name);
        long session = openSession(library, found, pin);
        opened = true;
        return new Token(library, initialized, found.slot(), session, found.label());
      } finally {
        if (!opened && initialized) {
          library.call(Function.FINALIZE, 0);
        }
      }
    } finally {
      if (!opened) {
        ONE.unlock();
      }
    }
  }

  private static boolean initialize(Cryptoki library) throws TokenException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment arguments = arena.allocate(6 * Long.BYTES, Long.BYTES);
      arguments.setAtIndex(JAVA_LONG, 4, CKF_OS_LOCKING_OK);
      long result = library.call(Function.INITIALIZE, arguments.address());
      if (result == Cryptoki.ALREADY_INITIALIZED) {
        return false;
      }
      check(result, Function.INITIALIZE);
      return true;
    }
  }

  private static Found find(Cryptoki library, String name) throws TokenException {
    List<Found> all = new ArrayList<>();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment slots = arena.allocate(MOST_SLOTS * (long) Long.BYTES, Long.BYTES);
      MemorySegment count = arena.allocate(JAVA_LONG);
      count.set(JAVA_LONG, 0, MOST_SLOTS);
      check(
          library.call(Function.GET_SLOT_LIST, 1, slots.address(), count.address()),
          Function.GET_SLOT_LIST);
      MemorySegment info = arena.allocate(512, Long.BYTES);
      for (int i = 0; i < count.get(JAVA_LONG, 0); i++) {
        long slot = slots.getAtIndex(JAVA_LONG, i);
        // A reader whose card was just drawn is not there; that is no reason to stop.
        if (library.call(Function.GET_TOKEN_INFO, slot, info.address()) == Cryptoki.OK
            && (info.get(JAVA_LONG, 96) & CKF_TOKEN_INITIALIZED) != 0) {
          all.add(new Found(slot, text(info, 0, 32), text(info, 80, 16), info.get(JAVA_LONG, 96)));
        }
      }
    }
    List<Found> matching =
        all.stream().filter(t -> t.label().equals(name) || t.serial().equals(name)).toList();
    if (matching.isEmpty()) {
      throw new TokenException(
          "there is no token '" + name + "'",
          all.isEmpty()
              ? "The library sees none at all: is it plugged in, reachable and initialised, and"
                  + " does this user have access to it?"
              : "There are: "
                  + all.stream().map(Found::text).collect(Collectors.joining(", "))
                  + ".",
          true);
    }
    if (matching.size() > 1) {
      throw new TokenException(
          "several tokens are called '" + name + "'",
          "Name the serial number of one instead: "
              + matching.stream().map(Found::text).collect(Collectors.joining(", "))
              + ".");
    }
    return matching.getFirst();
  }

  private static String text(MemorySegment from, long offset, int length) {
    byte[] bytes = from.asSlice(offset, length).toArray(JAVA_BYTE);
    return new String(bytes, StandardCharsets.UTF_8).strip();
  }

  private static long openSession(Cryptoki library, Found found, SecretBytes pin)
      throws TokenException {
    if ((found.flags() & CKF_PIN_LOCKED) != 0) {
      throw locked(found);
    }
    if ((found.flags() & CKF_PIN_FINAL_TRY) != 0) {
      // A PIN that a machine keeps giving must not be what locks the token.
      throw new TokenException(
          "the token " + found.text() + " has one try left before its PIN is locked",
          "Log in by hand with the right PIN first, with the tool of the token's maker.");
    }
    if ((found.flags() & CKF_PIN_COUNT_LOW) != 0) {
      LOG.log(
          System.Logger.Level.WARNING,
          "the token {0} was given a wrong PIN since it was last opened",
          found.text());
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment handle = arena.allocate(JAVA_LONG);
      check(
          library.call(
              Function.OPEN_SESSION,
              found.slot(),
              CKF_SERIAL_SESSION | CKF_RW_SESSION,
              0,
              0,
              handle.address()),
          Function.OPEN_SESSION);
      long session = handle.get(JAVA_LONG, 0);
      long result =
          pin.read(bytes -> {
            MemorySegment copy = arena.allocate(Math.max(1, bytes.length));
            try {
              MemorySegment.copy(bytes, 0, copy, JAVA_BYTE, 0, bytes.length);
              return library.call(Function.LOGIN, session, CKU_USER, copy.address(), bytes.length);
            } finally {
              copy.fill((byte) 0);
            }
          });
      if (result != Cryptoki.OK && result != Cryptoki.USER_ALREADY_LOGGED_IN) {
        library.call(Function.CLOSE_SESSION, session);
        throw refusedPin(library, found, result, arena);
      }
      return session;
    }
  }

  private static TokenException refusedPin(
      Cryptoki library, Found found, long result, Arena arena) {
    if (result == Cryptoki.PIN_LOCKED) {
      return locked(found);
    }
    if (result == Cryptoki.PIN_EXPIRED || result == Cryptoki.PIN_NOT_INITIALIZED) {
      return new TokenException(
          "the PIN of the token " + found.text() + " has expired or was never set",
          "Set it with the tool of the token's maker.");
    }
    if (result != Cryptoki.PIN_INCORRECT
        && result != Cryptoki.PIN_INVALID
        && result != Cryptoki.PIN_LENGTH) {
      return failed(result, Function.LOGIN);
    }
    MemorySegment info = arena.allocate(512, Long.BYTES);
    long flags =
        library.call(Function.GET_TOKEN_INFO, found.slot(), info.address()) == Cryptoki.OK
            ? info.get(JAVA_LONG, 96)
            : 0;
    String left =
        (flags & CKF_PIN_LOCKED) != 0
            ? "and is locked now"
            : (flags & CKF_PIN_FINAL_TRY) != 0
                ? "and one try is left"
                : "and most tokens lock it after a few tries";
    return new TokenException(
        "the PIN of the token " + found.text() + " is wrong, " + left,
        "Look at where the PIN comes from before the next try; it is not tried again by itself.");
  }

  private static TokenException locked(Found found) {
    return new TokenException(
        "the PIN of the token " + found.text() + " is locked",
        "Its security officer unlocks it, with the tool of the token's maker.");
  }

  private static void check(long result, Function function) throws TokenException {
    if (result != Cryptoki.OK) {
      throw failed(result, function);
    }
  }

  private static TokenException failed(long result, Function function) {
    return new TokenException(
        "the token refuses %s with 0x%x".formatted(function.symbol(), result),
        "The documentation of the token's maker says why; the number is a CKR_ code of PKCS#11.");
  }

  /**
   * Finds the AES key of a label, or makes one that cannot leave the token.
   *
   * @throws TokenException if there are several, or the one that is there could be read out
   */
  public void requireKey(String keyLabel) throws TokenException {
    try (Arena arena = Arena.ofConfined()) {
      long[] found = keys(arena, keyLabel);
      if (found.length == 0) {
        makeKey(arena, keyLabel);
        return;
      }
      long key = single(found, keyLabel);
      if (!flag(arena, key, CKA_ALWAYS_SENSITIVE) || !flag(arena, key, CKA_NEVER_EXTRACTABLE)) {
        throw new TokenException(
            "the key '"
                + keyLabel
                + "' of the token '"
                + label
                + "' was not always in it alone, or"
                + " could be read out",
            "Name another label: a key is made that is sensitive and not extractable.");
      }
    }
  }

  private long[] keys(Arena arena, String keyLabel) throws TokenException {
    MemorySegment template =
        attributes(
            arena,
            List.of(
                number(arena, CKA_CLASS, CKO_SECRET_KEY),
                number(arena, CKA_KEY_TYPE, CKK_AES),
                text(arena, CKA_LABEL, keyLabel)));
    check(
        library.call(Function.FIND_OBJECTS_INIT, session, template.address(), 3),
        Function.FIND_OBJECTS_INIT);
    try {
      MemorySegment handles = arena.allocate(2L * Long.BYTES, Long.BYTES);
      MemorySegment count = arena.allocate(JAVA_LONG);
      check(
          library.call(Function.FIND_OBJECTS, session, handles.address(), 2, count.address()),
          Function.FIND_OBJECTS);
      return Arrays.copyOf(handles.toArray(JAVA_LONG), (int) count.get(JAVA_LONG, 0));
    } finally {
      library.call(Function.FIND_OBJECTS_FINAL, session);
    }
  }

  private long key(Arena arena, String keyLabel) throws TokenException {
    return single(keys(arena, keyLabel), keyLabel);
  }

  private long single(long[] found, String keyLabel) throws TokenException {
    if (found.length == 0) {
      throw new TokenException(
          "the token '" + label + "' has no AES key '" + keyLabel + "'",
          "Is it the token that the server was sealed with, or was its key deleted? Open the server"
              + " by its recovery seal.",
          true);
    }
    if (found.length > 1) {
      throw new TokenException(
          "the token '" + label + "' has several AES keys '" + keyLabel + "'",
          "Give all but one another label.");
    }
    return found[0];
  }

  private void makeKey(Arena arena, String keyLabel) throws TokenException {
    List<MemorySegment> all =
        List.of(
            number(arena, CKA_CLASS, CKO_SECRET_KEY),
            number(arena, CKA_KEY_TYPE, CKK_AES),
            number(arena, CKA_VALUE_LEN, 32),
            text(arena, CKA_LABEL, keyLabel),
            bool(arena, CKA_TOKEN, true),
            bool(arena, CKA_PRIVATE, true),
            bool(arena, CKA_SENSITIVE, true),
            bool(arena, CKA_EXTRACTABLE, false),
            bool(arena, CKA_ENCRYPT, true),
            bool(arena, CKA_DECRYPT, true),
            bool(arena, CKA_WRAP, false),
            bool(arena, CKA_UNWRAP, false));
    MemorySegment template = attributes(arena, all);
    MemorySegment handle = arena.allocate(JAVA_LONG);
    check(
        library.call(
            Function.GENERATE_KEY,
            session,
            mechanism(arena, CKM_AES_KEY_GEN, MemorySegment.NULL).address(),
            template.address(),
            all.size(),
            handle.address()),
        Function.GENERATE_KEY);
  }

  private boolean flag(Arena arena, long key, long type) throws TokenException {
    MemorySegment value = arena.allocate(1);
    MemorySegment template = attributes(arena, List.of(attribute(arena, type, value)));
    check(
        library.call(Function.GET_ATTRIBUTE_VALUE, session, key, template.address(), 1),
        Function.GET_ATTRIBUTE_VALUE);
    return value.get(JAVA_BYTE, 0) != 0;
  }

  /** Has the token encrypt a secret under a key of its own. */
  public Wrapped wrap(String keyLabel, SecretBytes secret) throws TokenException {
    boolean gcm = can(CKM_AES_GCM);
    if (!gcm && !can(CKM_AES_CBC_PAD)) {
      throw new TokenException(
          "the token '" + label + "' encrypts neither by AES-GCM nor by AES-CBC with padding",
          "Use another token, or a TPM.");
    }
    return wrap(keyLabel, secret, gcm ? "aes-gcm" : "aes-cbc");
  }

  Wrapped wrap(String keyLabel, SecretBytes secret, String mechanism) throws TokenException {
    byte[] iv = RandomBytes.of(mechanism.equals("aes-gcm") ? GCM_IV_BYTES : CBC_IV_BYTES);
    try (Arena arena = Arena.ofConfined()) {
      long key = key(arena, keyLabel);
      MemorySegment ivCopy = arena.allocateFrom(JAVA_BYTE, iv);
      byte[] bytes =
          secret.read(clear ->
              crypt(arena, Function.ENCRYPT_INIT, Function.ENCRYPT, key, mechanism, ivCopy, clear));
      // Some tokens insist on an IV of their own, and leave it where ours was.
      return new Wrapped(mechanism, ivCopy.toArray(JAVA_BYTE), bytes);
    }
  }

  /**
   * Has the token decrypt what it encrypted.
   *
   * @throws TokenException if its key is another one, or what it is given was changed. With aes-cbc
   *     such may go unnoticed and give another secret: use it for nothing that does not
   *     authenticate
   */
  public SecretBytes unwrap(String keyLabel, Wrapped wrapped) throws TokenException {
    int iv = wrapped.mechanism().equals("aes-gcm") ? GCM_IV_BYTES : CBC_IV_BYTES;
    if (wrapped.iv().length != iv || wrapped.bytes().length > MOST_OUTPUT) {
      throw changed();
    }
    try (Arena arena = Arena.ofConfined()) {
      long key = key(arena, keyLabel);
      return SecretBytes.take(
          crypt(
              arena,
              Function.DECRYPT_INIT,
              Function.DECRYPT,
              key,
              wrapped.mechanism(),
              arena.allocateFrom(JAVA_BYTE, wrapped.iv()),
              wrapped.bytes()));
    }
  }

  private TokenException changed() {
    return new TokenException(
        "the token '"
            + label
            + "' does not open the seal: its key is another one, or the seal was"
            + " changed",
        "Open the server by its recovery seal, and look whether the store was tampered with.");
  }

  private byte[] crypt(
      Arena arena,
      Function begin,
      Function run,
      long key,
      String mechanism,
      MemorySegment iv,
      byte[] input)
      throws TokenException {
    check(library.call(begin, session, mechanism(arena, mechanism, iv).address(), key), begin);
    MemorySegment in = arena.allocate(Math.max(1, input.length));
    MemorySegment out = arena.allocate(MOST_OUTPUT);
    try {
      MemorySegment.copy(input, 0, in, JAVA_BYTE, 0, input.length);
      MemorySegment length = arena.allocate(JAVA_LONG);
      length.set(JAVA_LONG, 0, MOST_OUTPUT);
      long result =
          library.call(run, session, in.address(), input.length, out.address(), length.address());
      if (run == Function.DECRYPT && isAboutData(result)) {
        throw changed();
      }
      check(result, run);
      return out.asSlice(0, length.get(JAVA_LONG, 0)).toArray(JAVA_BYTE);
    } finally {
      in.fill((byte) 0);
      out.fill((byte) 0);
    }
  }

  /** CKR_GENERAL_ERROR and CKR_FUNCTION_FAILED are what some tokens say of a wrong tag. */
  private static boolean isAboutData(long result) {
    return result == Cryptoki.ENCRYPTED_DATA_INVALID
        || result == Cryptoki.ENCRYPTED_DATA_LENGTH
        || result == 5
        || result == 6;
  }

  private boolean can(long type) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment info = arena.allocate(3L * Long.BYTES, Long.BYTES);
      return library.call(Function.GET_MECHANISM_INFO, slot, type, info.address()) == Cryptoki.OK
          && (info.getAtIndex(JAVA_LONG, 2) & CKF_ENCRYPT) != 0;
    }
  }

  private static MemorySegment mechanism(Arena arena, String name, MemorySegment iv) {
    if (!name.equals("aes-gcm")) {
      return mechanism(arena, CKM_AES_CBC_PAD, iv);
    }
    MemorySegment associated = arena.allocateFrom(JAVA_BYTE, ASSOCIATED);
    MemorySegment gcm = arena.allocate(6L * Long.BYTES, Long.BYTES);
    gcm.setAtIndex(JAVA_LONG, 0, iv.address());
    gcm.setAtIndex(JAVA_LONG, 1, iv.byteSize());
    gcm.setAtIndex(JAVA_LONG, 2, 8 * iv.byteSize());
    gcm.setAtIndex(JAVA_LONG, 3, associated.address());
    gcm.setAtIndex(JAVA_LONG, 4, associated.byteSize());
    gcm.setAtIndex(JAVA_LONG, 5, TAG_BITS);
    return mechanism(arena, CKM_AES_GCM, gcm);
  }

  private static MemorySegment mechanism(Arena arena, long type, MemorySegment parameter) {
    return words(arena, type, parameter.address(), parameter.byteSize());
  }

  private static MemorySegment words(Arena arena, long first, long second, long third) {
    MemorySegment segment = arena.allocate(3L * Long.BYTES, Long.BYTES);
    segment.setAtIndex(JAVA_LONG, 0, first);
    segment.setAtIndex(JAVA_LONG, 1, second);
    segment.setAtIndex(JAVA_LONG, 2, third);
    return segment;
  }

  private static MemorySegment attribute(Arena arena, long type, MemorySegment value) {
    return words(arena, type, value.address(), value.byteSize());
  }

  private static MemorySegment number(Arena arena, long type, long value) {
    return attribute(arena, type, arena.allocateFrom(JAVA_LONG, value));
  }

  private static MemorySegment bool(Arena arena, long type, boolean value) {
    return attribute(arena, type, arena.allocateFrom(JAVA_BYTE, (byte) (value ? 1 : 0)));
  }

  private static MemorySegment text(Arena arena, long type, String value) {
    return attribute(
        arena, type, arena.allocateFrom(JAVA_BYTE, value.getBytes(StandardCharsets.UTF_8)));
  }

  private static MemorySegment attributes(Arena arena, List<MemorySegment> all) {
    MemorySegment template = arena.allocate(all.size() * 3L * Long.BYTES, Long.BYTES);
    for (int i = 0; i < all.size(); i++) {
      MemorySegment.copy(all.get(i), 0, template, i * 3L * Long.BYTES, 3L * Long.BYTES);
    }
    return template;
  }

  /** Logs out and ends the session. */
  @Override
  public void close() throws IOException {
    try {
      library.call(Function.LOGOUT, session);
      library.call(Function.CLOSE_SESSION, session);
      if (initialized) {
        library.call(Function.FINALIZE, 0);
      }
    } finally {
      ONE.unlock();
    }
  }
}
