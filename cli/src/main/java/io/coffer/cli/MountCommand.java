package io.coffer.cli;

import io.coffer.cli.ViewSpec.Switch;
import io.coffer.crypto.SecretBytes;
import io.coffer.format.gocryptfs.FeatureFlag;
import io.coffer.fuse.FuseMount;
import io.coffer.keys.FscryptVolume;
import io.coffer.keys.FscryptVolume.OpenKey;
import io.coffer.keys.GocryptfsVolume;
import io.coffer.keys.ProtectorSecret;
import io.coffer.keys.VolumeException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.Stack;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.IParameterConsumer;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code coffer mount}: opens a volume. */
@Command(
    name = "mount",
    sortOptions = false,
    description = {
      "Mount the volume in DIR on MOUNTPOINT, where its files are seen decrypted.",
      "",
      "Returns when the view is usable; a process in the background serves it until it is"
          + " unmounted by 'coffer unmount', umount or fusermount -u."
    },
    footer = {
      "",
      "Options of -o, for /etc/fstab: ro rw suid nosuid dev nodev exec noexec allow_other nonempty",
      "  acl reverse shared shared=auto exclusive direct_io io_uring one_file_system idle=TIME",
      "  config=FILE fsname=NAME",
      "  password_file=FILE password_command=COMMAND force_owner=UID:GID control_socket=PATH",
      "  context=... (SELinux); those of mount itself (noauto, nofail, user, x-...) are left to"
          + " it.",
      "",
      "Examples:",
      "  coffer mount secret.coffer secret",
      "  coffer mount --init secret.coffer secret         make it first if it is not there",
      "  coffer mount --idle 30m --password-command 'pass show coffer' secret.coffer secret",
      "  coffer mount --reverse ~/project /mnt/backup     show ~/project encrypted"
    })
final class MountCommand extends BaseCommand {
  private static final Pattern OWNER = Pattern.compile("\\d{1,9}:\\d{1,9}");

  @Option(
      names = "--init",
      description =
          "If DIR is missing or empty, first make a volume there; makes MOUNTPOINT too if it is"
              + " missing.")
  private boolean init;

  @Mixin private NewVolumeOptions volumeOptions = new NewVolumeOptions();

  @Option(
      names = {"-r", "--read-only"},
      description = "Allow no changes.")
  private boolean readOnly;

  @Option(
      names = {"-f", "--foreground"},
      description = "Do not go to the background; Ctrl-C unmounts.")
  private boolean foreground;

  @Option(
      names = "--allow-other",
      description =
          "Let other users in, as far as permissions allow. Needs user_allow_other in"
              + " /etc/fuse.conf unless you are root.")
  private boolean allowOther;

  @Option(
      names = "--idle",
      paramLabel = "TIME",
      converter = Durations.class,
      description = "Unmount after this time without use, such as 30s, 10m or 2h45m.")
  private @Nullable Duration idle;

  @Option(
      names = "--reverse",
      description = "DIR is a plain tree; show it encrypted, read-only, for backups.")
  private boolean reverse;

  @Option(
      names = "--exclude",
      paramLabel = "PATTERN",
      description = "With --reverse: leave out what matches, as in a gitignore file.")
  private List<String> excluded = new ArrayList<>();

  @Option(
      names = "--exclude-from",
      paramLabel = "FILE",
      description = "With --reverse: leave out what matches a line of FILE.")
  private List<Path> excludedFrom = new ArrayList<>();

  @Option(
      names = "--one-file-system",
      description = "With --reverse: leave out what is mounted inside DIR.")
  private boolean oneFilesystem;

  @Option(
      names = {"--shared", "--shared-storage"},
      arity = "0..1",
      parameterConsumer = SharedValue.class,
      paramLabel = "auto",
      description =
          "Others change the volume at the same time, from this and other nodes: lock what is"
              + " changed, and cache nothing that could be stale. --shared=auto, the default, does"
              + " so on network and cluster filesystems and where others do.")
  private String shared = "auto";

  @Option(
      names = "--exclusive",
      description =
          "Nobody else changes the volume: refuse if another mount has it, and believe for an hour"
              + " what has been learned about it.")
  private boolean exclusive;

  @Option(
      names = "--direct-io",
      description =
          "In a shared volume, read and write around the page cache: what others write"
              + " is seen at once, not at the next open.")
  private boolean directIo;

  @Option(
      names = "--io-uring",
      description =
          "Get the kernel's requests over io_uring: for several programs at once that read small"
              + " pieces, or that are bound to processors; streams lose. Needs Linux 6.14 and, as"
              + " root, once: echo Y > /sys/module/fuse/parameters/enable_uring")
  private boolean ioUring;

  @Option(
      names = "--test-dummy-encryption",
      description =
          "Only for volumes of the format fscrypt, to test programs: encrypt everything, with a key"
              + " that is no secret.")
  private boolean testDummyEncryption;

  @Option(names = "--acl", description = "Let the kernel enforce the POSIX ACLs of the store.")
  private boolean acl;

  @Option(
      names = "--force-owner",
      paramLabel = "UID:GID",
      description = "Show all files as belonging to this user and group. Implies --allow-other.")
  private @Nullable String owner;

  @Option(
      names = "--control-socket",
      paramLabel = "PATH",
      description = "Answer on a socket there which stored path belongs to which plain one.")
  private @Nullable Path controlSocket;

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "The configuration is FILE instead of inside DIR.")
  private @Nullable Path config;

  @Mixin private KeyOptions keys = new KeyOptions();

  @Option(
      names = "-o",
      paramLabel = "OPTIONS",
      description = "Options as in /etc/fstab, separated by commas; see below.")
  private List<String> mountOptions = new ArrayList<>();

  @Parameters(index = "0", paramLabel = "DIR", description = "The volume.")
  private Path directory = Path.of(".");

  @Parameters(index = "1", paramLabel = "MOUNTPOINT", description = "An empty directory.")
  private Path mountPoint = Path.of(".");

  private final Set<Switch> switches = EnumSet.noneOf(Switch.class);
  private final List<String> kernelOptions = new ArrayList<>();
  private @Nullable String source;
  private boolean mayHoldFiles;
  private boolean mustBeWritable;

  /** Takes a value only if it is one: what follows {@code --shared} is mostly the directory. */
  static final class SharedValue implements IParameterConsumer {
    @Override
    public void consumeParameters(Stack<String> args, ArgSpec option, CommandSpec command) {
      option.setValue(!args.isEmpty() && args.peek().equals("auto") ? args.pop() : "always");
    }
  }

  MountCommand(Ui ui) {
    super(ui);
  }

  @Override
  ExitCode run() throws CommandException, VolumeException, IOException {
    readMountOptions();
    checkOptions();
    boolean policies = isInPolicyVolume();
    if (!policies && testDummyEncryption) {
      throw new CommandException(
          ExitCode.USAGE, "--test-dummy-encryption needs a volume of the format fscrypt");
    }
    if (foreground) {
      return policies ? mountTrees(null) : mount(null);
    }
    // First of all: it needs as long to be ready as the rest of this command takes.
    List<String> title = List.of(directory.toString(), mountPoint.toString());
    try (DaemonChannel daemon = DaemonChannel.start(title)) {
      return policies ? mountTrees(daemon) : mount(daemon);
    }
  }

  /** {@code daemon}: null to stay in the foreground. */
  private ExitCode mount(@Nullable DaemonChannel daemon)
      throws CommandException, VolumeException, IOException {
    boolean make = init && prepareInit();
    GocryptfsVolume volume = make ? null : Volumes.open(directory, config, reverse);
    MountPoint.require(directory, mountPoint, mayHoldFiles);
    checkReadOnlyStore();
    checkIoUring();
    return daemon == null ? serve(volume) : start(volume, daemon);
  }

  /** Is it a volume with policies, or a directory in one? */
  private boolean isInPolicyVolume() throws IOException {
    return FscryptVolume.isIn(directory)
        || (!init
            && !reverse
            && config == null
            && Files.isDirectory(directory)
            && !Files.exists(GocryptfsVolume.configFile(directory, false))
            && PolicyVolume.rootAround(directory) != null);
  }

  private void checkOptions() throws CommandException {
    keys.check();
    if (!shared.equals("always") && !shared.equals("auto")) {
      throw new CommandException(
          ExitCode.USAGE,
          "--shared takes no value but auto, not '" + shared + "'",
          "coffer mount --help");
    }
    if (exclusive && shared.equals("always")) {
      throw new CommandException(
          ExitCode.USAGE, "--shared and --exclusive contradict each other", "coffer mount --help");
    }
    if (owner != null && !OWNER.matcher(owner).matches()) {
      throw new CommandException(
          ExitCode.USAGE,
          "--force-owner takes UID:GID in numbers, not '" + owner + "'",
          "coffer mount --help");
    }
    if (volumeOptions.isGiven() && !init) {
      throw new CommandException(
          ExitCode.USAGE,
          "options for a new volume have a meaning only together with --init",
          "coffer mount --help");
    }
    if (!reverse && (!excluded.isEmpty() || !excludedFrom.isEmpty() || oneFilesystem)) {
      throw new CommandException(
          ExitCode.EXCLUDE,
          "--exclude, --exclude-from and --one-file-system have a meaning only with --reverse");
    }
    if (MountPoint.isDescriptor(mountPoint) && !foreground) {
      throw new CommandException(
          ExitCode.USAGE, "a mount point that is a descriptor works only with --foreground");
    }
  }

  /** With --init: makes missing directories; true if there is no volume yet. */
  private boolean prepareInit() throws IOException, VolumeException {
    Files.createDirectories(directory);
    if (!MountPoint.isDescriptor(mountPoint) && Files.notExists(mountPoint)) {
      Files.createDirectories(mountPoint);
    }
    Path file = config == null ? GocryptfsVolume.configFile(directory, reverse) : config;
    if (Files.exists(file)) {
      return false;
    }
    GocryptfsVolume.checkCreatable(directory, config, reverse);
    return true;
  }

  /** A volume with policies is mounted without any key; given one, its trees are unlocked then. */
  private ExitCode mountTrees(@Nullable DaemonChannel daemon)
      throws CommandException, VolumeException, IOException {
    if (reverse || config != null || keys.hasMasterKey()) {
      throw new CommandException(
          ExitCode.USAGE,
          "--reverse, --config and --master-key have no meaning for a volume with policies",
          "coffer unlock --help");
    }
    PolicyVolume around = PolicyVolume.around(directory);
    FscryptVolume volume = around == null ? FscryptVolume.open(directory) : around.keys();
    MountPoint.require(directory, mountPoint, mayHoldFiles);
    checkReadOnlyStore();
    checkIoUring();
    set(Switch.POLICIES, true);
    set(Switch.TEST_DUMMY_ENCRYPTION, testDummyEncryption);
    ViewSpec spec = spec(List.of(), 0);
    // The password is tried before anything is mounted: a wrong one leaves no view behind.
    if (daemon == null) {
      List<OpenKey> opened = openKeys(volume);
      try {
        View view = View.mount(spec, null);
        view.unmountOnInterrupt();
        unlockTrees(opened);
        ui.err()
            .println("coffer: " + directory + " is open at " + mountPoint + "; Ctrl-C closes it");
        view.awaitEnd();
        return ExitCode.OK;
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return ExitCode.INTERRUPTED;
      } finally {
        opened.forEach(OpenKey::close);
      }
    }
    List<OpenKey> opened = openKeys(volume);
    try {
      daemon.mount(spec, null);
      unlockTrees(opened);
    } finally {
      opened.forEach(OpenKey::close);
    }
    if (ui.errIsTerminal()) {
      ui.err().println("coffer: " + directory + " is open at " + mountPoint);
      ui.err().println("  Unlock it: coffer unlock " + Shell.quote(mountPoint.toString()));
      ui.err().println("  Close it: coffer unmount " + Shell.quote(mountPoint.toString()));
    }
    return ExitCode.OK;
  }

  /** The keys that the given password opens; none if none is given. */
  private List<OpenKey> openKeys(FscryptVolume volume) throws CommandException, VolumeException {
    if (!keys.hasPassword()) {
      return List.of();
    }
    try (var password = ProtectorSecret.typed(keys.password(ui.typedPassword("Password: ")))) {
      return volume.unlock(null, null, password);
    }
  }

  private void unlockTrees(List<OpenKey> opened) throws CommandException, IOException {
    if (!opened.isEmpty()) {
      UnlockCommand.unlock(TreeClient.at(mountPoint), opened);
    }
  }

  private SecretBytes unlock(@Nullable GocryptfsVolume volume)
      throws CommandException, VolumeException {
    return volume == null
        ? Volumes.make(directory, config, reverse, volumeOptions.toOptions(reverse), keys, ui)
        : keys.unlock(volume, ui);
  }

  private ExitCode serve(@Nullable GocryptfsVolume volume)
      throws CommandException, VolumeException, IOException {
    try {
      View view;
      try (SecretBytes masterKey = unlock(volume)) {
        view = View.mount(spec(volume), masterKey);
      }
      view.unmountOnInterrupt();
      ui.err().println("coffer: " + directory + " is open at " + mountPoint + "; Ctrl-C closes it");
      view.awaitEnd();
      return ExitCode.OK;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return ExitCode.INTERRUPTED;
    }
  }

  private ExitCode start(@Nullable GocryptfsVolume volume, DaemonChannel daemon)
      throws CommandException, VolumeException, IOException {
    try (SecretBytes masterKey = unlock(volume)) {
      daemon.mount(spec(volume), masterKey);
    }
    if (ui.errIsTerminal()) {
      ui.err().println("coffer: " + directory + " is open at " + mountPoint);
      ui.err().println("  Close it: coffer unmount " + Shell.quote(mountPoint.toString()));
    }
    return ExitCode.OK;
  }

  private ViewSpec spec(@Nullable GocryptfsVolume known)
      throws VolumeException, CommandException, IOException {
    GocryptfsVolume volume = known == null ? Volumes.open(directory, config, reverse) : known;
    return spec(volume.config().flags(), volume.config().longNameMax());
  }

  private ViewSpec spec(List<FeatureFlag> features, int longNameMax) throws IOException {
    set(Switch.REVERSE, reverse);
    set(Switch.READ_ONLY, readOnly);
    set(Switch.ALLOW_OTHER, allowOther || owner != null);
    set(Switch.ACL, acl);
    set(Switch.SHARED, shared.equals("always"));
    set(Switch.EXCLUSIVE, exclusive);
    set(Switch.DIRECT_IO, directIo);
    set(Switch.IO_URING, ioUring);
    set(Switch.ONE_FILESYSTEM, oneFilesystem);
    Path real = directory.toRealPath();
    List<String> patterns = new ArrayList<>(excluded);
    for (Path file : excludedFrom) {
      patterns.addAll(Files.readAllLines(file));
    }
    return new ViewSpec(
        real,
        MountPoint.isDescriptor(mountPoint) ? mountPoint : mountPoint.toRealPath(),
        source == null ? real.toString() : source,
        reverse ? "coffer-reverse" : "coffer",
        "coffer",
        features,
        longNameMax,
        config == null,
        switches,
        owner,
        idle == null || idle.isZero() || reverse ? null : idle,
        controlSocket == null ? null : controlSocket.toAbsolutePath(),
        kernelOptions,
        List.of(),
        patterns,
        keys.keyService());
  }

  private void set(Switch one, boolean on) {
    if (on) {
      switches.add(one);
    }
  }

  /** It is only a matter of speed: a mount of the same fstab on an older node works without. */
  private void checkIoUring() {
    String obstacle = ioUring ? FuseMount.obstacleToIoUring() : null;
    if (obstacle != null) {
      ui.err().println("coffer: mounting without io_uring: " + obstacle);
      ioUring = false;
    }
  }

  private void checkReadOnlyStore() throws CommandException {
    if (readOnly || reverse || !MountPoint.isReadOnly(directory)) {
      return;
    }
    if (mustBeWritable) {
      throw new CommandException(
          ExitCode.USAGE, directory + " is on a read-only filesystem and cannot be mounted rw");
    }
    ui.err().println("coffer: " + directory + " is on a read-only filesystem; mounting read-only");
    readOnly = true;
  }

  private void readMountOptions() throws CommandException {
    boolean noSetUserId = false;
    boolean noDevices = false;
    boolean writable = false;
    for (String list : mountOptions) {
      for (FstabOptions.Item item : FstabOptions.parse(list)) {
        switch (item.name()) {
          case "ro" -> readOnly = true;
          case "rw" -> writable = true;
          case "suid" -> switches.add(Switch.SET_USER_ID);
          case "nosuid" -> noSetUserId = true;
          case "dev" -> switches.add(Switch.DEVICES);
          case "nodev" -> noDevices = true;
          case "exec" -> {}
          case "noexec" -> switches.add(Switch.NO_EXECUTION);
          case "allow_other" -> allowOther = true;
          case "nonempty" -> mayHoldFiles = true;
          case "acl" -> acl = true;
          case "test_dummy_encryption" -> testDummyEncryption = true;
          case "reverse" -> reverse = true;
          case "shared", "shared_storage", "sharedstorage" ->
              shared = item.value() == null ? "always" : item.value();
          case "exclusive" -> exclusive = true;
          case "direct_io" -> directIo = true;
          case "io_uring" -> ioUring = true;
          case "one_file_system" -> oneFilesystem = true;
          case "idle" -> idle = duration(item);
          case "config" -> config = Path.of(value(item));
          case "fsname" -> source = value(item);
          case "password_file", "passfile" -> keys.addPasswordFile(Path.of(value(item)));
          case "password_command", "extpass" -> keys.addPasswordCommand(value(item));
          case "force_owner" -> owner = value(item);
          case "control_socket", "ctlsock" -> controlSocket = Path.of(value(item));
          default -> {
            if (!FstabOptions.isForKernel(item)) {
              throw new CommandException(
                  ExitCode.USAGE,
                  "the mount option '" + item.text() + "' is not known",
                  "coffer mount --help");
            }
            kernelOptions.add(item.text());
          }
        }
      }
    }
    if (noSetUserId) {
      switches.remove(Switch.SET_USER_ID);
    }
    if (noDevices) {
      switches.remove(Switch.DEVICES);
    }
    // As everywhere, the safer one of a pair wins. mount(8) says rw where nothing was said.
    mustBeWritable = false;
    if (writable && !readOnly) {
      mustBeWritable = mountOptions.stream().anyMatch(list -> list.equals("rw"));
    }
  }

  private static String value(FstabOptions.Item item) throws CommandException {
    if (item.value() == null || item.value().isEmpty()) {
      throw new CommandException(
          ExitCode.USAGE,
          "the mount option '" + item.name() + "' needs a value",
          "coffer mount --help");
    }
    return item.value();
  }

  private static Duration duration(FstabOptions.Item item) throws CommandException {
    try {
      return Durations.parse(value(item));
    } catch (IllegalArgumentException e) {
      throw new CommandException(ExitCode.USAGE, String.valueOf(e.getMessage()));
    }
  }
}
