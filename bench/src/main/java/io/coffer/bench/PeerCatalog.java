package io.coffer.bench;

import io.coffer.fuse.FuseMount;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The systems that this comparison knows, and which of them this machine has. */
final class PeerCatalog {
  private final String searchPath;
  private final @Nullable Path coffer;
  private final boolean root;
  private final List<Peer> peers = new ArrayList<>();

  private PeerCatalog(String searchPath, @Nullable Path coffer, boolean root) {
    this.searchPath = searchPath;
    this.coffer = coffer;
    this.root = root;
  }

  /**
   * All systems, those missing here with the reason.
   *
   * @param searchPath directories to look for programs in, as in PATH
   * @param coffer this project's launcher, if known
   * @param root whether loop devices can be mounted
   */
  static List<Peer> find(String searchPath, @Nullable Path coffer, boolean root) {
    PeerCatalog catalog = new PeerCatalog(searchPath, coffer, root);
    catalog.add(
        "plain", Peer.Kind.PLAIN, "the directory itself, unencrypted", null, null, List.of());
    catalog.addCoffer("coffer", "gocryptfs format, AES-256-GCM", "aes-gcm");
    catalog.addCoffer("coffer-aes-siv", "gocryptfs format, AES-512-SIV", "aes-siv");
    catalog.addCoffer(
        "coffer-xchacha", "gocryptfs format, XChaCha20-Poly1305", "xchacha20-poly1305");
    catalog.addCofferFscrypt();
    catalog.addCofferShared();
    catalog.addCofferIoUring();
    catalog.addGocryptfs("gocryptfs", "AES-256-GCM", "", "");
    catalog.addGocryptfs("gocryptfs-aessiv", "AES-512-SIV", "-aessiv", "");
    catalog.addGocryptfs("gocryptfs-xchacha", "XChaCha20-Poly1305", "-xchacha", "");
    catalog.addGocryptfs(
        "gocryptfs-shared", "AES-256-GCM, with -sharedstorage", "", "-sharedstorage");
    catalog.add(
        "securefs",
        Peer.Kind.ENCRYPTING,
        "AES-256-GCM, lite format",
        "securefs create --pass \"$PASSWORD\" \"$STORE\"",
        "securefs mount -b --log \"$LOG\" --pass \"$PASSWORD\" \"$STORE\" \"$MNT\"",
        List.of("securefs", "--version"));
    catalog.add(
        "encfs",
        Peer.Kind.ENCRYPTING,
        "AES-CBC, standard mode",
        null,
        "echo \"$PASSWORD\" | encfs -S --standard \"$STORE\" \"$MNT\"",
        List.of("encfs", "--version"));
    catalog.add(
        "cryfs",
        Peer.Kind.ENCRYPTING,
        "XChaCha20-Poly1305, files cut into blocks",
        null,
        """
        export CRYFS_FRONTEND=noninteractive CRYFS_NO_UPDATE_CHECK=true
        export CRYFS_LOCAL_STATE_DIR="$STORE.state"
        echo "$PASSWORD" | cryfs "$STORE" "$MNT"
        """,
        List.of("cryfs", "--version"));
    // The passthrough examples keep a descriptor open for each file that the kernel knows.
    catalog.add(
        "passthrough_hp",
        Peer.Kind.CLEAR_FUSE,
        "libfuse's C++ example, unencrypted",
        null,
        """
        ulimit -n 1000000 2>/dev/null || ulimit -n "$(ulimit -Hn)"
        passthrough_hp --help 2>&1 | grep -q -- --nopassthrough && option=--nopassthrough
        passthrough_hp $option "$STORE" "$MNT"
        """,
        List.of());
    catalog.add(
        "passthrough_ll",
        Peer.Kind.CLEAR_FUSE,
        "libfuse's C example, unencrypted",
        null,
        """
        ulimit -n 1000000 2>/dev/null || ulimit -n "$(ulimit -Hn)"
        passthrough_ll -o source="$STORE" "$MNT"
        """,
        List.of("passthrough_ll", "--version"));
    catalog.add(
        "bindfs",
        Peer.Kind.CLEAR_FUSE,
        "unencrypted, maps permissions",
        null,
        "bindfs --multithreaded \"$STORE\" \"$MNT\"",
        List.of("bindfs", "--version"));
    catalog.addKernel(
        "ext4",
        "ext4 on a loop device, unencrypted",
        "mkfs.ext4",
        """
        set -e
        truncate -s "$IMAGE_BYTES" "$IMAGE"
        mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0,nodiscard "$IMAGE"
        """,
        "mount -o loop \"$IMAGE\" \"$MNT\"",
        "");
    catalog.addKernel(
        "ext4-fscrypt",
        "ext4 on a loop device, encrypted by the kernel",
        "xfs_io",
        """
        set -e
        truncate -s "$IMAGE_BYTES" "$IMAGE"
        mkfs.ext4 -q -O encrypt -E lazy_itable_init=0,lazy_journal_init=0,nodiscard "$IMAGE"
        mount -o loop "$IMAGE" "$MNT"
        mkdir "$MNT/encrypted"
        identifier=$(xfs_io -c add_enckey "$MNT" <"$KEY_FILE" | sed 's/.* //')
        xfs_io -c "set_encpolicy -v 2 $identifier" "$MNT/encrypted"
        umount "$MNT"
        """,
        "mount -o loop \"$IMAGE\" \"$MNT\" && xfs_io -c add_enckey \"$MNT\" <\"$KEY_FILE\"",
        "encrypted");
    return List.copyOf(catalog.peers);
  }

  private void add(
      String name,
      Peer.Kind kind,
      String description,
      @Nullable String init,
      @Nullable String mount,
      List<String> version) {
    String missing = mount == null || which(name) != null ? null : name + " is not on the PATH";
    peers.add(new Peer(name, kind, description, init, mount, false, null, "", version, missing));
  }

  private void addCoffer(String name, String description, String contentCipher) {
    addCoffer(
        name,
        description,
        "\"$COFFER\" init --password-file \"$PASSWORD_FILE\" --content-cipher "
            + contentCipher
            + " \"$STORE\"",
        "",
        "");
  }

  /** As on storage of many nodes: with locks, and without what one node alone may remember. */
  private void addCofferShared() {
    addCoffer(
        "coffer-shared",
        "gocryptfs format, AES-256-GCM, with --shared",
        "\"$COFFER\" init --password-file \"$PASSWORD_FILE\" \"$STORE\"",
        "--shared",
        "");
  }

  /** Only where the administrator has switched it on: else it would be the plain one again. */
  private void addCofferIoUring() {
    String obstacle = FuseMount.obstacleToIoUring();
    addCoffer(
        "coffer-io-uring",
        "gocryptfs format, AES-256-GCM, with --io-uring",
        "\"$COFFER\" init --password-file \"$PASSWORD_FILE\" \"$STORE\"",
        "--io-uring",
        "",
        obstacle);
  }

  /** Everything is done in a directory with a policy, as with the kernel's fscrypt. */
  private void addCofferFscrypt() {
    addCoffer(
        "coffer-fscrypt",
        "fscrypt format, AES-256-XTS",
        """
        set -e
        "$COFFER" init --format fscrypt --password-file "$PASSWORD_FILE" "$STORE"
        "$COFFER" mount --password-file "$PASSWORD_FILE" "$STORE" "$MNT"
        mkdir "$MNT/encrypted"
        "$COFFER" policy set "$MNT/encrypted"
        "$COFFER" unmount "$MNT"
        """,
        "",
        "encrypted");
  }

  private void addCoffer(
      String name, String description, String init, String option, String below) {
    addCoffer(name, description, init, option, below, null);
  }

  private void addCoffer(
      String name,
      String description,
      String init,
      String option,
      String below,
      @Nullable String obstacle) {
    peers.add(
        new Peer(
            name,
            Peer.Kind.COFFER,
            description,
            init,
            "\"$COFFER\" mount "
                + option
                + " --password-file \"$PASSWORD_FILE\" \"$STORE\" \"$MNT\"",
            // The root of a volume with policies is there before the keys of its directories are.
            !below.isEmpty(),
            "\"$COFFER\" unmount \"$MNT\"",
            below,
            coffer == null ? List.of() : List.of(coffer.toString(), "--version"),
            coffer == null
                ? "Coffer's launcher is not on the PATH; name it by --coffer"
                : obstacle));
  }

  private void addGocryptfs(String name, String description, String option, String mountOption) {
    String missing = which("gocryptfs") == null ? "gocryptfs is not on the PATH" : null;
    peers.add(
        new Peer(
            name,
            Peer.Kind.ENCRYPTING,
            description,
            "gocryptfs -q -init " + option + " -passfile \"$PASSWORD_FILE\" \"$STORE\"",
            "gocryptfs -q " + mountOption + " -passfile \"$PASSWORD_FILE\" \"$STORE\" \"$MNT\"",
            false,
            null,
            "",
            List.of("gocryptfs", "-version"),
            missing));
  }

  private void addKernel(
      String name, String description, String tool, String init, String mount, String below) {
    String missing = null;
    if (!root) {
      missing = "loop devices need root";
    } else if (which("mkfs.ext4") == null || which(tool) == null) {
      missing = (which("mkfs.ext4") == null ? "mkfs.ext4" : tool) + " is not on the PATH";
    }
    peers.add(
        new Peer(
            name,
            Peer.Kind.KERNEL,
            description,
            init,
            mount,
            true,
            null,
            below,
            List.of("uname", "-sr"),
            missing));
  }

  private @Nullable Path which(String program) {
    return which(program, searchPath);
  }

  /** The file that a shell would run for a program's name; null if there is none. */
  static @Nullable Path which(String program, String searchPath) {
    return Stream.of(searchPath.split(File.pathSeparator))
        .filter(directory -> !directory.isEmpty())
        .map(directory -> Path.of(directory, program))
        .filter(file -> Files.isExecutable(file) && !Files.isDirectory(file))
        .findFirst()
        .orElse(null);
  }

  /**
   * The systems asked for.
   *
   * @param names in the order wanted; empty for all that are available
   * @throws IllegalArgumentException with a sentence for the user
   */
  static List<Peer> select(List<Peer> all, List<String> names) {
    if (names.isEmpty()) {
      return all.stream().filter(peer -> peer.unavailable() == null).toList();
    }
    Map<String, Peer> byName = new java.util.LinkedHashMap<>();
    all.forEach(peer -> byName.put(peer.name(), peer));
    List<Peer> selected = new ArrayList<>();
    for (String name : names) {
      Peer peer = byName.get(name);
      if (peer == null) {
        throw new IllegalArgumentException(
            "no system is called " + name + "; known are " + String.join(", ", byName.keySet()));
      }
      selected.add(peer);
    }
    return List.copyOf(selected);
  }
}
