package io.coffer.cli;

import io.coffer.batch.MadePlace;
import io.coffer.cli.ViewSpec.Switch;
import io.coffer.crypto.ContentCiphers;
import io.coffer.crypto.RuntimeCheck;
import io.coffer.crypto.SecretBytes;
import io.coffer.format.gocryptfs.GocryptfsFormat;
import io.coffer.fuse.MountException;
import io.coffer.fuse.MountRequest;
import io.coffer.keys.FscryptVolume;
import io.coffer.keys.VolumeException;
import io.coffer.mount.MountOptions;
import io.coffer.mount.MountedView;
import io.coffer.mount.Sharing;
import io.coffer.mount.SharingMode;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Processes;
import io.coffer.store.LocalStore;
import io.coffer.vfs.EncryptedFilesystem;
import io.coffer.vfs.ExcludePatterns;
import io.coffer.vfs.PolicyFilesystem;
import io.coffer.vfs.ReverseFilesystem;
import io.coffer.vfs.ReverseOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** A mounted view and what has to be closed with it. */
public final class View {
  private static final System.Logger LOG = System.getLogger("io.coffer.cli");

  /** How long the kernel believes names and attributes that somebody else might change. */
  private static final Duration BELIEVE = Duration.ofSeconds(1);

  /** The same where nobody else does. */
  private static final Duration BELIEVE_ALONE = Duration.ofHours(1);

  private final LocalStore store;

  /** Where leases lie: the store, or one of the whole volume if a directory in it is mounted. */
  private final LocalStore leases;

  private final @Nullable GocryptfsFormat format;
  private final Sharing sharing;
  private final MountedView mounted;
  private final @Nullable AutoCloseable keyWatch;

  private View(
      LocalStore store,
      LocalStore leases,
      @Nullable GocryptfsFormat format,
      Sharing sharing,
      MountedView mounted,
      @Nullable AutoCloseable keyWatch) {
    this.store = store;
    this.leases = leases;
    this.format = format;
    this.sharing = sharing;
    this.mounted = mounted;
    this.keyWatch = keyWatch;
  }

  /** Tried once: known answers of the cipher that is used, which also loads it. */
  private static final class Runtimes {
    static final boolean TRUSTED =
        RuntimeCheck.isNewEnough(Runtime.version())
            && (ContentCiphers.isGcmNative() || RuntimeCheck.computesAesGcm());
  }

  /** Does what {@link #mount} would begin with and that needs neither volume nor key. */
  static void prepare() {
    if (!Runtimes.TRUSTED) {
      LOG.log(System.Logger.Level.ERROR, "Java {0} must not be used", Runtime.version());
    }
  }

  /**
   * Mounts; when it returns, the view is usable.
   *
   * @param masterKey the caller closes it; null for a volume with policies
   */
  public static View mount(ViewSpec spec, @Nullable SecretBytes masterKey)
      throws CommandException, InterruptedException {
    protectProcess();
    if (!Runtimes.TRUSTED) {
      throw new CommandException(
          ExitCode.OTHER,
          "Java "
              + Runtime.version()
              + " is too old, or computes wrong AES-GCM, which destroys data; install JDK "
              + RuntimeCheck.MINIMUM_VERSION
              + " or later");
    }
    String problem = ContentCiphers.problem();
    if (problem != null) {
      throw new CommandException(
          ExitCode.OTHER,
          ContentCiphers.VARIABLE
              + " asks for libcrypto, but "
              + problem
              + "; unset "
              + ContentCiphers.VARIABLE);
    }
    LocalStore store = null;
    LocalStore leases = null;
    GocryptfsFormat format = null;
    Sharing sharing = null;
    MountedView mounted = null;
    try {
      store = LocalStore.open(spec.directory());
      if (masterKey != null) {
        format = new GocryptfsFormat(spec.config(), masterKey, !spec.has(Switch.NO_LONG_NAMES));
      }
      Path root = root(spec);
      leases = root.equals(spec.directory()) ? store : LocalStore.open(root);
      sharing = sharing(spec, leases, format);
      mounted = mount(spec, store, format, sharing);
      return new View(store, leases, format, sharing, mounted, watchKey(spec));
    } catch (Sharing.RefusedException e) {
      throw new CommandException(ExitCode.VOLUME_DIRECTORY, String.valueOf(e.getMessage()));
    } catch (ErrnoException e) {
      throw new CommandException(
          ExitCode.VOLUME_DIRECTORY, "cannot open the volume: " + e.getMessage());
    } catch (MountException e) {
      String message = String.valueOf(e.getMessage());
      throw new CommandException(
          message.startsWith("Cannot open the control socket")
              ? ExitCode.CONTROL_SOCKET
              : ExitCode.FUSE,
          message);
    } catch (IllegalArgumentException e) {
      throw new CommandException(ExitCode.EXCLUDE, String.valueOf(e.getMessage()));
    } finally {
      if (mounted == null) {
        close(store, leases, format, sharing);
      }
    }
  }

  /** Says in the log when the key service takes the right to the key away. */
  private static @Nullable AutoCloseable watchKey(ViewSpec spec) {
    Path reference = spec.keyService();
    if (reference == null) {
      return null;
    }
    try {
      return KeyOptions.findKeyService()
          .watch(
              reference,
              reason ->
                  LOG.log(
                      System.Logger.Level.WARNING,
                      "the key service has withdrawn the key of {0}, which stays open until it is"
                          + " unmounted: {1}",
                      spec.directory(),
                      reason));
    } catch (IOException | VolumeException e) {
      LOG.log(
          System.Logger.Level.WARNING,
          "the key service will not be able to tell when it withdraws the key: {0}",
          e.getMessage());
      return null;
    }
  }

  /** The root of the volume, of which a directory may be mounted. */
  private static Path root(ViewSpec spec) throws ErrnoException {
    if (!spec.has(Switch.POLICIES)) {
      return spec.directory();
    }
    try {
      Path root = PolicyVolume.rootAround(spec.directory());
      return root == null ? spec.directory() : root;
    } catch (IOException e) {
      throw new ErrnoException(Errno.EIO, String.valueOf(e.getMessage()));
    }
  }

  private static Sharing sharing(ViewSpec spec, LocalStore store, @Nullable GocryptfsFormat format)
      throws ErrnoException, Sharing.RefusedException {
    Sharing.Wish wish = Sharing.Wish.AUTOMATIC;
    if (spec.has(Switch.SHARED)) {
      wish = Sharing.Wish.SHARED;
    } else if (spec.has(Switch.EXCLUSIVE)) {
      wish = Sharing.Wish.EXCLUSIVE;
    } else if (spec.has(Switch.TOLERANT)) {
      wish = Sharing.Wish.AUTOMATIC_IN_ANY_CASE;
    }
    boolean readOnly = spec.has(Switch.READ_ONLY) || spec.has(Switch.REVERSE);
    byte[] lockFile = format == null ? FscryptVolume.lockFileName() : format.lockFileName();
    return Sharing.decide(store, spec.directory(), lockFile, wish, readOnly);
  }

  private static MountedView mount(
      ViewSpec spec, LocalStore store, @Nullable GocryptfsFormat format, Sharing sharing)
      throws MountException, InterruptedException, ErrnoException {
    MountOptions options = options(spec, mode(spec, sharing));
    EncryptedFilesystem.Options behaviour =
        EncryptedFilesystem.Options.defaults()
            .withReadOnly(spec.has(Switch.READ_ONLY))
            .withFileCapabilities(spec.has(Switch.SET_USER_ID))
            .withShared(sharing.mode().isShared());
    if (format == null) {
      return mountTrees(spec, store, behaviour, sharing, options);
    }
    if (spec.has(Switch.REVERSE)) {
      ReverseOptions reverse =
          new ReverseOptions(
              ExcludePatterns.of(spec.excludedPaths(), spec.excludedPatterns()),
              spec.has(Switch.ONE_FILESYSTEM),
              spec.configInTree());
      ReverseFilesystem files = new ReverseFilesystem(store, format, reverse);
      return MountedView.mount(files, files, options);
    }
    EncryptedFilesystem files = new EncryptedFilesystem(store, format, behaviour, sharing.lease());
    return MountedView.mount(files, files, options);
  }

  private static MountedView mountTrees(
      ViewSpec spec,
      LocalStore store,
      EncryptedFilesystem.Options behaviour,
      Sharing sharing,
      MountOptions options)
      throws MountException, InterruptedException, ErrnoException {
    var files = new PolicyFilesystem(store, behaviour, sharing.lease());
    if (spec.has(Switch.TEST_DUMMY_ENCRYPTION)) {
      files.encryptEverythingForTests();
    }
    Path metadata = FscryptVolume.file(root(spec));
    return MountedView.mount(
        files, files, options, new MountedView.Trees(files, spec.directory(), metadata));
  }

  private static SharingMode mode(ViewSpec spec, Sharing sharing) {
    SharingMode mode = sharing.mode();
    return mode.isShared() && spec.has(Switch.DIRECT_IO) ? SharingMode.SHARED_DIRECT : mode;
  }

  private static MountOptions options(ViewSpec spec, SharingMode sharing) {
    boolean readOnly = spec.has(Switch.READ_ONLY) || spec.has(Switch.REVERSE);
    boolean allowOther = spec.has(Switch.ALLOW_OTHER);
    MountRequest request =
        new MountRequest(
            spec.mountPoint(),
            spec.source(),
            spec.subtype(),
            readOnly,
            allowOther,
            allowOther || spec.has(Switch.ACL),
            spec.has(Switch.SET_USER_ID),
            spec.has(Switch.DEVICES),
            !spec.has(Switch.NO_EXECUTION),
            spec.kernelOptions());
    // Not where something else changes the store by design: the plain tree of a reverse view, or
    // another mount, which gocryptfs's users take for granted.
    boolean alone = sharing == SharingMode.EXCLUSIVE && !readOnly && !spec.has(Switch.TOLERANT);
    Duration believe = sharing.believes() ? alone ? BELIEVE_ALONE : BELIEVE : Duration.ZERO;
    // When a tree is locked or unlocked, the kernel is told to forget listings and names, but names
    // that were not found are not known.
    Duration believeMissing = alone && spec.has(Switch.POLICIES) ? BELIEVE : believe;
    return new MountOptions(
        request,
        // Looked at before; a stale answer must not refuse what the user has asked for.
        true,
        spec.has(Switch.ACL),
        believe,
        believe,
        believeMissing,
        sharing,
        sharing.keepsContents(),
        alone,
        !spec.has(Switch.SERIALIZE_READS),
        spec.has(Switch.IO_URING),
        owner(spec),
        spec.idle(),
        spec.controlSocket());
  }

  private static MountOptions.@Nullable Owner owner(ViewSpec spec) {
    String owner = spec.owner();
    if (owner == null) {
      return null;
    }
    int colon = owner.indexOf(':');
    return new MountOptions.Owner(
        Integer.parseInt(owner.substring(0, colon)), Integer.parseInt(owner.substring(colon + 1)));
  }

  /** Modes come from whoever uses the view; memory that holds keys goes into no core file. */
  private static void protectProcess() {
    Processes.umask(0);
    try {
      Processes.forbidDumps();
    } catch (ErrnoException e) {
      LOG.log(
          System.Logger.Level.WARNING,
          "memory cannot be kept out of core files: {0}",
          e.getMessage());
    }
    try {
      Processes.raiseDescriptorLimit();
    } catch (ErrnoException e) {
      LOG.log(System.Logger.Level.DEBUG, "descriptor limit: {0}", e.getMessage());
    }
  }

  /** Waits until the view has been unmounted, and closes everything. */
  public void awaitEnd() throws InterruptedException {
    mounted.awaitUnmount();
    if (keyWatch != null) {
      try {
        keyWatch.close();
      } catch (Exception e) {
        LOG.log(System.Logger.Level.DEBUG, "the key service: {0}", e.getMessage());
      }
    }
    close(store, leases, format, sharing);
  }

  /** Unmounts, from the thread of an interruption; waits a few seconds for requests under way. */
  public void unmount() {
    unmount(null);
  }

  /** Has SIGINT, SIGTERM and SIGHUP unmount it. */
  public void unmountOnInterrupt() {
    Interruption.onInterrupt(this::unmount);
  }

  /** The same as {@link #unmount()}, and removes the directory that was made for it, if any. */
  void unmount(@Nullable MadePlace place) {
    try {
      if (place == null) {
        mounted.unmount();
      } else if (place.removeWithView()) {
        mounted.awaitDetached();
      } else {
        mounted.unmount(place::remove);
      }
    } catch (MountException e) {
      LOG.log(System.Logger.Level.WARNING, String.valueOf(e.getMessage()));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void close(
      @Nullable LocalStore store,
      @Nullable LocalStore leases,
      @Nullable GocryptfsFormat format,
      @Nullable Sharing sharing) {
    if (sharing != null) {
      sharing.close();
    }
    if (format != null) {
      format.close();
    }
    if (leases != null && leases != store) {
      try {
        leases.close();
      } catch (ErrnoException e) {
        LOG.log(System.Logger.Level.WARNING, "the volume: {0}", e.getMessage());
      }
    }
    if (store != null) {
      try {
        store.close();
      } catch (ErrnoException e) {
        LOG.log(System.Logger.Level.WARNING, "the store: {0}", e.getMessage());
      }
    }
  }
}
