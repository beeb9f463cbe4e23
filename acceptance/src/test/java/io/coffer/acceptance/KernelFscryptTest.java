package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.crypto.SecretBytes;
import io.coffer.format.fscrypt.ContentsMode;
import io.coffer.format.fscrypt.FscryptContents;
import io.coffer.format.fscrypt.FscryptContext;
import io.coffer.format.fscrypt.FscryptMasterKey;
import io.coffer.format.fscrypt.FscryptNames;
import io.coffer.format.fscrypt.FscryptNoKeyName;
import io.coffer.format.fscrypt.FscryptPolicy;
import io.coffer.format.fscrypt.FscryptSymlinks;
import io.coffer.format.fscrypt.NamesMode;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import io.coffer.posix.Mounting;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The kernel fills an ext4 of its own under many policies; then its blocks are read as they lie on
 * the device, and compared with what we make of the same keys and nonces. And the other way round.
 */
@DisplayName("The kernel's fscrypt and ours")
class KernelFscryptTest {
  private static final int ENOPKG = 65;
  private static final int MEGABYTES = 48;
  private static final int LONGEST_NAME = 255;
  private static final byte[] MASTER_KEY = bytes(64, 7);
  private static final int[] SIZES = {1, 15, 4095, 4096, 4097, 8292, 40000};
  private static final int[] TARGET_LENGTHS = {1, 15, 16, 17, 31, 32, 55, 58, 100, 255, 1000, 4000};

  private static final Area AREA = Area.onDisk();
  private static final Map<Row, Tree> TREES = new LinkedHashMap<>();
  private static final Set<String> SKIPPED = new HashSet<>();
  private static byte[] identifier = {};

  /** What a directory is filled under. */
  record Row(ContentsMode contents, NamesMode names, int padding, int log2) {
    FscryptPolicy policy(byte[] masterKeyIdentifier) {
      return new FscryptPolicy(contents, names, padding, log2, masterKeyIdentifier);
    }

    String directory() {
      return "%s-%s-%d-%d".formatted(contents, names, padding, log2);
    }
  }

  /** What the kernel has made of a row; {@code refused} tells why it could not, if so. */
  private static final class Tree {
    private @Nullable String namesRefused;
    private @Nullable String contentsRefused;
    private long inode;
    private byte[] nonce = {};

    /** Plain names by inode. */
    private final Map<Long, byte[]> names = new TreeMap<>();

    private final Map<Long, byte[]> files = new TreeMap<>();
    private final Map<Long, byte[]> fileNonces = new TreeMap<>();
    private final Map<Long, byte[]> targets = new TreeMap<>();

    /** What is shown without the key, by inode. */
    private final Map<Long, byte[]> noKeyNames = new TreeMap<>();

    private final Map<Long, byte[]> noKeyTargets = new TreeMap<>();
  }

  static Stream<Row> rows() {
    ContentsMode xts = ContentsMode.AES_256_XTS;
    Stream<Row> names =
        IntStream.of(4, 8, 16, 32)
            .boxed()
            .flatMap(padding ->
                Stream.of(
                    new Row(xts, NamesMode.AES_256_CTS, padding, 0),
                    new Row(xts, NamesMode.AES_256_HCTR2, padding, 12),
                    new Row(ContentsMode.ADIANTUM, NamesMode.ADIANTUM, padding, 12),
                    new Row(ContentsMode.AES_128_CBC, NamesMode.AES_128_CTS, padding, 12)));
    Stream<Row> units =
        IntStream.of(9, 10, 12).mapToObj(log2 -> new Row(xts, NamesMode.AES_256_CTS, 32, log2));
    return Stream.concat(names, units);
  }

  private static byte[] bytes(int length, int seed) {
    byte[] bytes = new byte[length];
    new Random(seed).nextBytes(bytes);
    return bytes;
  }

  /** A name, different for each length, of all bytes that a name may hold. */
  private static byte[] name(int length) {
    byte[] name = bytes(length, length);
    for (int i = 0; i < length; i++) {
      if (name[i] == 0 || name[i] == '/' || name[i] == '.') {
        name[i] = (byte) ('a' + i % 26);
      }
    }
    return name;
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static byte[] path(Path path) {
    return path.toString().getBytes(StandardCharsets.UTF_8);
  }

  private static int openDirectory(Path path) throws ErrnoException {
    return Linux.open(Flags.AT_FDCWD, path(path), Flags.O_RDONLY | Flags.O_DIRECTORY, 0);
  }

  @BeforeAll
  static void letTheKernelFillAFileSystem() throws Exception {
    Tools.needRoot();
    Tools.need("mkfs.ext4", "losetup");
    Path image = image();
    Command.of("truncate", "-s", MEGABYTES + "M", image).ok();
    // Without checksums of metadata, so that names can be put in place.
    Command.of("mkfs.ext4", "-q", "-b", 4096, "-I", 256, "-m", 0, "-N", 8192, "-O")
        .and("encrypt,^metadata_csum,^has_journal", image)
        .ok();
    Path where = mount(image);
    int root = openDirectory(where);
    try {
      identifier = KernelFscrypt.addKey(root, MASTER_KEY);
    } catch (ErrnoException e) {
      Linux.close(root);
      if (e.errno() == Errno.EOPNOTSUPP || e.errno() == Errno.ENOTTY) {
        Tools.skip("this kernel's ext4 has no encryption");
      }
      throw e;
    }
    for (Row row : rows().toList()) {
      TREES.put(row, fill(row, root));
    }
    Linux.syncFilesystem(root);
    assertEquals(0, KernelFscrypt.removeKey(root, identifier), "nothing is left of the key");
    for (Map.Entry<Row, Tree> each : TREES.entrySet()) {
      if (each.getValue().namesRefused == null) {
        look(each.getValue(), root, each.getKey().directory());
      }
    }
    Linux.close(root);
    Mounting.unmount(where.toString(), 0);
  }

  private static Path image() {
    return AREA.path().resolve("image");
  }

  private static Path mount(Path image) {
    Path where = AREA.directory("mounted");
    if (Command.of("mount", "-o", "loop", image, where).run().exit() != 0) {
      Tools.skip("no loop device can be mounted here, or no ext4 with encryption");
    }
    return where;
  }

  @AfterAll
  static void cleanUp() {
    AREA.close();
  }

  private static Tree fill(Row row, int root) throws ErrnoException {
    Tree tree = new Tree();
    byte[] name = ascii(row.directory());
    Linux.makeDirectory(root, name, 0700);
    int directory = Linux.open(root, name, Flags.O_RDONLY | Flags.O_DIRECTORY, 0);
    try {
      KernelFscrypt.setPolicy(directory, row.policy(identifier));
      tree.inode = Linux.status(directory).inode();
      tree.nonce = KernelFscrypt.nonce(directory);
      if (row.log2() == 0 || row.names() != NamesMode.AES_256_CTS) {
        fillNames(tree, directory);
      }
      fillFiles(tree, directory);
    } catch (ErrnoException e) {
      if (e.errno() != ENOPKG && e.errno() != Errno.EINVAL) {
        throw e;
      }
      String why = e.errno() == ENOPKG ? "this kernel lacks it" : "this kernel does not know it";
      tree.contentsRefused = why;
      if (tree.names.isEmpty()) {
        tree.namesRefused = why;
      }
    } finally {
      Linux.close(directory);
    }
    return tree;
  }

  /** Special files for the names, since they need no key of their own. */
  private static void fillNames(Tree tree, int directory) throws ErrnoException {
    for (int length = 1; length <= LONGEST_NAME; length++) {
      byte[] name = name(length);
      Linux.makeNode(directory, name, FileStatus.TYPE_FIFO | 0600, 0);
      tree.names.put(Linux.status(directory, name).inode(), name);
    }
    for (int length : TARGET_LENGTHS) {
      byte[] name = ascii("link to " + length);
      byte[] target = name(length);
      Linux.symlink(target, directory, name);
      long inode = Linux.status(directory, name).inode();
      tree.names.put(inode, name);
      tree.targets.put(inode, target);
    }
  }

  private static void fillFiles(Tree tree, int directory) throws ErrnoException {
    for (int size : SIZES) {
      byte[] plain = bytes(size, size);
      makeFile(tree, directory, "file of " + size, plain, 0);
    }
    // A hole of four blocks before the last two.
    byte[] plain = bytes(7000, 1);
    makeFile(tree, directory, "file with a hole", plain, 4 * 4096);
  }

  private static void makeFile(Tree tree, int directory, String name, byte[] bytes, int offset)
      throws ErrnoException {
    int file = Linux.open(directory, ascii(name), Flags.O_RDWR | Flags.O_CREAT, 0600);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
      assertEquals(bytes.length, Linux.write(file, memory.address(), bytes.length, offset));
      long inode = Linux.status(file).inode();
      byte[] plain = new byte[offset + bytes.length];
      System.arraycopy(bytes, 0, plain, offset, bytes.length);
      tree.names.put(inode, ascii(name));
      tree.files.put(inode, plain);
      tree.fileNonces.put(inode, KernelFscrypt.nonce(file));
    } finally {
      Linux.close(file);
    }
  }

  /** Reads what the kernel shows without the key. */
  private static void look(Tree tree, int root, String name) throws ErrnoException {
    int directory = Linux.open(root, ascii(name), Flags.O_RDONLY | Flags.O_DIRECTORY, 0);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment buffer = arena.allocate(65536, 8);
      int bytes;
      while ((bytes = Linux.listEntries(directory, buffer.address(), 65536)) > 0) {
        int length;
        for (int at = 0; at < bytes; at += length) {
          length = buffer.get(ValueLayout.JAVA_SHORT, at + 16L);
          byte[] shown = ascii(buffer.getString(at + 19L, StandardCharsets.ISO_8859_1));
          if (shown[0] != '.') {
            tree.noKeyNames.put(buffer.get(ValueLayout.JAVA_LONG, at), shown);
          }
        }
      }
      for (long link : tree.targets.keySet()) {
        byte[] shown = tree.noKeyNames.get(link);
        assertNotNull(shown);
        tree.noKeyTargets.put(link, Linux.readLink(directory, shown));
      }
    } finally {
      Linux.close(directory);
    }
  }

  private static FscryptMasterKey masterKey() {
    try (SecretBytes raw = SecretBytes.copyOf(MASTER_KEY)) {
      return new FscryptMasterKey(raw);
    }
  }

  private static Tree namesOf(Row row) {
    Tree tree = TREES.get(row);
    assertNotNull(tree);
    if (tree.namesRefused != null) {
      skip(row.names() + ": " + tree.namesRefused);
    }
    boolean isNamesRow = row.log2() == 0 || row.names() != NamesMode.AES_256_CTS;
    assertTrue(!isNamesRow || tree.names.size() >= LONGEST_NAME, "the kernel made all names");
    return tree;
  }

  private static Tree contentsOf(Row row) {
    Tree tree = namesOf(row);
    if (tree.contentsRefused != null) {
      skip(row.contents() + ": " + tree.contentsRefused);
    }
    return tree;
  }

  /** Says it aloud once for all rows. */
  private static void skip(String why) {
    if (SKIPPED.add(why)) {
      Tools.skip(why);
    }
    Assumptions.abort(why);
  }

  private static FscryptContext contextOf(Row row, byte[] nonce) {
    return new FscryptContext(row.policy(identifier), nonce);
  }

  /** The context within an inode: the policy's 24 bytes are known, the nonce follows them. */
  private static FscryptContext storedContext(Row row, byte[] inode) throws Exception {
    int at = contextPosition(row, inode);
    return FscryptContext.decode(Arrays.copyOfRange(inode, at, at + FscryptContext.BYTES));
  }

  private static int contextPosition(Row row, byte[] inode) {
    byte[] policy = Arrays.copyOf(contextOf(row, new byte[16]).encode(), 24);
    for (int i = 128; i + FscryptContext.BYTES <= inode.length; i++) {
      if (Arrays.equals(policy, Arrays.copyOfRange(inode, i, i + policy.length))) {
        return i;
      }
    }
    throw new AssertionError("no context of " + row + " in the inode");
  }

  private static byte[] seal(FscryptContents contents, byte[] plain) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment from = arena.allocateFrom(ValueLayout.JAVA_BYTE, plain);
      MemorySegment to = arena.allocate(plain.length + contents.unitBytes());
      int stored = contents.seal(0, from, 0, plain.length, to, 0);
      return to.asSlice(0, stored).toArray(ValueLayout.JAVA_BYTE);
    }
  }

  private static byte[] open(FscryptContents contents, byte[] stored) throws Exception {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment from = arena.allocateFrom(ValueLayout.JAVA_BYTE, stored);
      MemorySegment to = arena.allocate(stored.length);
      contents.open(0, from, 0, stored.length, to, 0);
      return to.toArray(ValueLayout.JAVA_BYTE);
    }
  }

  @Test
  void have_the_same_identifier_for_a_master_key() {
    try (FscryptMasterKey master = masterKey()) {
      assertArrayEquals(identifier, master.identifier());
    }
  }

  @Test
  void are_compared_at_least_for_what_every_kernel_has() {
    TREES.forEach((row, tree) -> {
      if (row.names() == NamesMode.AES_256_CTS) {
        assertEquals(null, tree.contentsRefused, row.toString());
      }
    });
  }

  @ParameterizedTest
  @MethodSource("rows")
  void keep_the_same_context(Row row) throws Exception {
    Tree tree = namesOf(row);
    try (Ext4Image image = new Ext4Image(image())) {
      FscryptContext expected = contextOf(row, tree.nonce);
      byte[] inode = image.inode(tree.inode);
      assertEquals(expected, storedContext(row, inode));
      int at = contextPosition(row, inode);
      assertArrayEquals(
          expected.encode(), Arrays.copyOfRange(inode, at, at + FscryptContext.BYTES));
    }
  }

  @ParameterizedTest
  @MethodSource("rows")
  void encipher_contents_alike(Row row) throws Exception {
    Tree tree = contentsOf(row);
    assertEquals(SIZES.length + 1, tree.files.size());
    try (Ext4Image image = new Ext4Image(image());
        FscryptMasterKey master = masterKey()) {
      for (Map.Entry<Long, byte[]> file : tree.files.entrySet()) {
        byte[] nonce = tree.fileNonces.get(file.getKey());
        assertNotNull(nonce);
        FscryptContext context = contextOf(row, nonce);
        assertEquals(context, storedContext(row, image.inode(file.getKey())));
        try (FscryptContents contents = master.contents(context)) {
          List<Long> blocks = image.blocks(file.getKey());
          byte[] stored = image.contents(file.getKey());
          byte[] plain = Arrays.copyOf(file.getValue(), stored.length);
          byte[] sealed = seal(contents, plain);
          for (int i = 0; i < blocks.size(); i++) {
            if (blocks.get(i) == 0) {
              Arrays.fill(sealed, i * 4096, (i + 1) * 4096, (byte) 0);
            }
          }
          assertArrayEquals(stored, sealed, "file of " + file.getValue().length);
          assertArrayEquals(plain, open(contents, stored));
        }
      }
      long holes =
          tree.files.keySet().stream().filter(inode -> image.blocks(inode).contains(0L)).count();
      assertEquals(1, holes, "files with a hole");
    }
  }

  @ParameterizedTest
  @MethodSource("rows")
  void encipher_names_of_every_length_alike(Row row) throws Exception {
    Tree tree = namesOf(row);
    try (Ext4Image image = new Ext4Image(image());
        FscryptMasterKey master = masterKey();
        FscryptNames names = master.names(contextOf(row, tree.nonce))) {
      List<Ext4Image.Entry> entries = image.entries(tree.inode);
      assertEquals(tree.names.size(), entries.size());
      for (Ext4Image.Entry entry : entries) {
        byte[] plain = tree.names.get(entry.inode());
        assertNotNull(plain);
        assertArrayEquals(entry.name(), names.encrypt(plain));
        assertArrayEquals(plain, names.decrypt(entry.name()));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("rows")
  void encipher_targets_of_symbolic_links_alike(Row row) throws Exception {
    Tree tree = namesOf(row);
    try (Ext4Image image = new Ext4Image(image());
        FscryptMasterKey master = masterKey()) {
      for (Map.Entry<Long, byte[]> link : tree.targets.entrySet()) {
        FscryptContext context = storedContext(row, image.inode(link.getKey()));
        try (FscryptSymlinks symlink = master.symlink(context)) {
          int size = (int) image.size(link.getKey());
          byte[] stored = image.read(image.linkPosition(link.getKey()), size);
          byte[] ours = symlink.encrypt(link.getValue(), FscryptSymlinks.MAX_KERNEL_BYTES);
          assertArrayEquals(stored, ours);
          assertArrayEquals(link.getValue(), symlink.decrypt(stored));
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("rows")
  void show_the_same_without_the_key(Row row) throws Exception {
    Tree tree = namesOf(row);
    try (Ext4Image image = new Ext4Image(image())) {
      assertEquals(tree.names.keySet(), tree.noKeyNames.keySet());
      for (Ext4Image.Entry entry : image.entries(tree.inode)) {
        byte[] shown = tree.noKeyNames.get(entry.inode());
        assertNotNull(shown);
        FscryptNoKeyName decoded = FscryptNoKeyName.decode(shown);
        assertTrue(decoded.matches(entry.name()));
        // ext4 puts the hash of its directory index into it.
        FscryptNoKeyName ours =
            FscryptNoKeyName.of(entry.name(), decoded.hash(), decoded.minorHash());
        assertEquals(text(shown), text(ours.encode()));
      }
      for (Map.Entry<Long, byte[]> link : tree.noKeyTargets.entrySet()) {
        int size = (int) image.size(link.getKey());
        byte[] stored = image.read(image.linkPosition(link.getKey()), size);
        FscryptNoKeyName ours = FscryptNoKeyName.of(FscryptSymlinks.ciphertext(stored));
        assertEquals(text(link.getValue()), text(ours.encode()));
      }
    }
  }

  private static String text(byte[] bytes) {
    return new String(bytes, StandardCharsets.ISO_8859_1);
  }

  @ParameterizedTest
  @MethodSource("rows")
  void open_what_we_have_enciphered(Row row) throws Exception {
    Tree tree = contentsOf(row);
    Path copy = AREA.path().resolve("copy");
    Command.of("cp", "--sparse=always", image(), copy).ok();
    Map<String, String> expected = new TreeMap<>();
    try (Ext4Image image = new Ext4Image(copy);
        FscryptMasterKey master = masterKey()) {
      image.hideIndexes(); // which are of the names that the kernel made
      // The directory gets a nonce of ours, and so new names, new files and new links in it.
      FscryptContext context = FscryptContext.of(row.policy(identifier));
      place(image, row, tree.inode, context);
      try (FscryptNames names = master.names(context)) {
        for (Ext4Image.Entry entry : image.entries(tree.inode)) {
          byte[] old = tree.names.get(entry.inode());
          assertNotNull(old);
          if (tree.files.containsKey(entry.inode()) || tree.targets.containsKey(entry.inode())) {
            String name = text(old).toUpperCase(Locale.ROOT);
            image.write(entry.position(), names.encrypt(ascii(name)));
            expected.put(name, placeBody(image, row, tree, entry.inode(), context.child(), master));
          } else {
            image.write(entry.position(), names.encrypt(old));
          }
        }
      }
    }
    assertEquals(tree.files.size() + tree.targets.size(), expected.size());
    assertEquals(expected, readThroughTheKernel(copy, row));
    Files.delete(copy);
  }

  /** Gives contents or a target of ours to an inode; returns a text that tells them. */
  private static String placeBody(
      Ext4Image image,
      Row row,
      Tree tree,
      long inode,
      FscryptContext context,
      FscryptMasterKey master)
      throws Exception {
    place(image, row, inode, context);
    byte[] target = tree.targets.get(inode);
    if (target != null) {
      byte[] ours = target.clone();
      ours[0] ^= 1;
      try (FscryptSymlinks symlink = master.symlink(context)) {
        image.write(
            image.linkPosition(inode), symlink.encrypt(ours, FscryptSymlinks.MAX_KERNEL_BYTES));
      }
      return "-> " + HexFormat.of().formatHex(ours);
    }
    byte[] old = tree.files.get(inode);
    assertNotNull(old);
    byte[] ours = bytes(old.length, old.length + 1);
    List<Long> blocks = image.blocks(inode);
    try (FscryptContents contents = master.contents(context)) {
      byte[] sealed = seal(contents, Arrays.copyOf(ours, blocks.size() * 4096));
      for (int i = 0; i < blocks.size(); i++) {
        int from = i * 4096;
        if (blocks.get(i) == 0) {
          Arrays.fill(ours, from, from + 4096, (byte) 0);
        } else {
          image.write(blocks.get(i), Arrays.copyOfRange(sealed, from, from + 4096));
        }
      }
    }
    return HexFormat.of().formatHex(ours);
  }

  private static void place(Ext4Image image, Row row, long inode, FscryptContext context) {
    int at = contextPosition(row, image.inode(inode));
    image.write(image.inodePosition(inode) + at, context.encode());
  }

  private static Map<String, String> readThroughTheKernel(Path image, Row row) throws Exception {
    Path where = mount(image);
    Map<String, String> found = new TreeMap<>();
    int root = openDirectory(where);
    try {
      KernelFscrypt.addKey(root, MASTER_KEY);
      int directory =
          Linux.open(root, ascii(row.directory()), Flags.O_RDONLY | Flags.O_DIRECTORY, 0);
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment buffer = arena.allocate(65536, 8);
        for (byte[] name : list(directory, buffer)) {
          int type = Linux.status(directory, name).type();
          if (type == FileStatus.TYPE_SYMLINK) {
            found.put(
                text(name), "-> " + HexFormat.of().formatHex(Linux.readLink(directory, name)));
          } else if (type == FileStatus.TYPE_REGULAR) {
            int file = Linux.open(directory, name, Flags.O_RDONLY, 0);
            int bytes = Linux.read(file, buffer.address(), 65536, 0);
            byte[] plain = buffer.asSlice(0, bytes).toArray(ValueLayout.JAVA_BYTE);
            found.put(text(name), HexFormat.of().formatHex(plain));
            Linux.close(file);
          }
        }
      } finally {
        Linux.close(directory);
      }
      return found;
    } finally {
      Linux.close(root);
      Mounting.unmount(where.toString(), 0);
    }
  }

  private static List<byte[]> list(int directory, MemorySegment buffer) throws ErrnoException {
    List<byte[]> names = new ArrayList<>();
    TreeSet<String> seen = new TreeSet<>();
    int bytes;
    while ((bytes = Linux.listEntries(directory, buffer.address(), 65536)) > 0) {
      int length;
      for (int at = 0; at < bytes; at += length) {
        length = buffer.get(ValueLayout.JAVA_SHORT, at + 16L);
        String name = buffer.getString(at + 19L, StandardCharsets.ISO_8859_1);
        assertFalse(!seen.add(name), name);
        if (!name.equals(".") && !name.equals("..")) {
          names.add(name.getBytes(StandardCharsets.ISO_8859_1));
        }
      }
    }
    return names;
  }
}
