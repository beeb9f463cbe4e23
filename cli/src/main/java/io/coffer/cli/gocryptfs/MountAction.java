package io.coffer.cli.gocryptfs;

import io.coffer.cli.CommandException;
import io.coffer.cli.DaemonChannel;
import io.coffer.cli.ExitCode;
import io.coffer.cli.LogSink;
import io.coffer.cli.MountPoint;
import io.coffer.cli.View;
import io.coffer.cli.ViewSpec;
import io.coffer.cli.ViewSpec.Switch;
import io.coffer.format.gocryptfs.GocryptfsCipher;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Processes;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** {@code gocryptfs CIPHERDIR MOUNTPOINT} (mount.go). */
final class MountAction {
  private static final int SIGUSR1 = 10;

  private final Session session;
  private final Arguments arguments;
  private final Printer printer;
  private final Path mountPoint;

  MountAction(Session session) {
    this.session = session;
    arguments = session.arguments();
    printer = session.printer();
    Path given = Path.of(arguments.positional().get(1)).toAbsolutePath();
    mountPoint = MountPoint.isDescriptor(given) ? given : given.normalize();
  }

  ExitCode run() throws EndException {
    checkMountPoint();
    String owner = owner();
    checkExcludes();
    checkControlSocket();
    boolean readOnly = readOnly();
    boolean foreground = arguments.foreground();
    try {
      if (foreground) {
        return serve(owner, readOnly);
      }
      if (MountPoint.isDescriptor(mountPoint)) {
        throw new EndException(
            ExitCode.USAGE, "A mount point in /dev/fd works only together with -fg");
      }
      return start(owner, readOnly);
    } catch (CommandException e) {
      throw new EndException(e.exitCode(), failure(e));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return ExitCode.INTERRUPTED;
    }
  }

  private String failure(CommandException e) {
    return e.exitCode() == ExitCode.FUSE
        ? "fs.Mount failed: " + e.getMessage()
        : e.exitCode() == ExitCode.CONTROL_SOCKET
            ? "ctlsock: " + e.getMessage()
            : String.valueOf(e.getMessage());
  }

  private ExitCode serve(@Nullable String owner, boolean readOnly)
      throws EndException, CommandException, InterruptedException {
    LogSink.usePlainLines();
    View view;
    try (Session.Opened opened = session.open()) {
      view = View.mount(spec(opened, owner, readOnly), opened.masterKey());
    }
    view.unmountOnInterrupt();
    printer.info(printer.green("Filesystem mounted and ready."));
    long notify = arguments.number("notifypid", 0);
    if (notify > 0) {
      goToBackground(notify);
    }
    view.awaitEnd();
    return ExitCode.OK;
  }

  /** What gocryptfs's own background process does once its view is usable. */
  private void goToBackground(long notify) throws EndException {
    try {
      Processes.changeDirectory("/");
      if (!arguments.is("nosyslog")) {
        LogSink.useSystemLog("gocryptfs");
      }
      Processes.signal(notify, SIGUSR1);
    } catch (ErrnoException e) {
      throw new EndException(
          ExitCode.OTHER, "cannot notify process " + notify + ": " + e.getMessage());
    }
  }

  private ExitCode start(@Nullable String owner, boolean readOnly)
      throws EndException, CommandException {
    List<String> title = List.of(session.cipherDir().toString(), mountPoint.toString());
    try (DaemonChannel daemon = DaemonChannel.start(title);
        Session.Opened opened = session.open()) {
      daemon.mount(spec(opened, owner, readOnly), opened.masterKey());
    }
    printer.info(printer.green("Filesystem mounted and ready."));
    return ExitCode.OK;
  }

  private ViewSpec spec(Session.Opened opened, @Nullable String owner, boolean readOnly)
      throws EndException {
    boolean reverse = session.reverse();
    if (reverse && opened.config().cipher() != GocryptfsCipher.AES_SIV) {
      throw new EndException(
          ExitCode.USAGE,
          "AES-SIV is required by reverse mode, but not enabled in the config file");
    }
    Set<Switch> switches = EnumSet.noneOf(Switch.class);
    turn(switches, Switch.REVERSE, reverse);
    turn(switches, Switch.READ_ONLY, readOnly);
    turn(switches, Switch.ALLOW_OTHER, arguments.is("allow_other") || owner != null);
    turn(switches, Switch.ACL, arguments.is("acl"));
    turn(switches, Switch.SET_USER_ID, arguments.is("suid") && !arguments.is("nosuid"));
    turn(switches, Switch.DEVICES, arguments.is("dev") && !arguments.is("nodev"));
    turn(switches, Switch.NO_EXECUTION, arguments.is("noexec"));
    turn(switches, Switch.SHARED, arguments.is("sharedstorage"));
    switches.add(Switch.TOLERANT);
    turn(switches, Switch.KERNEL_CACHE, arguments.is("kernel_cache"));
    turn(switches, Switch.SERIALIZE_READS, arguments.is("serialize_reads"));
    turn(switches, Switch.NO_LONG_NAMES, !arguments.is("longnames", true));
    turn(switches, Switch.ONE_FILESYSTEM, arguments.is("one-file-system"));
    turn(switches, Switch.NO_SYSTEM_LOG, arguments.is("nosyslog"));
    switches.add(Switch.PLAIN_LOG);
    if (switches.contains(Switch.ALLOW_OTHER)) {
      printer.info(
          printer.yellow(
              "The option \"-allow_other\" is set. Make sure the file permissions protect your"
                  + " data from unwanted access."));
    }
    Duration idle = arguments.idle();
    String controlSocket = arguments.text("ctlsock");
    return new ViewSpec(
        session.cipherDir(),
        mountPoint,
        source(),
        reverse ? "gocryptfs-reverse" : "gocryptfs",
        "gocryptfs",
        opened.config().flags(),
        opened.config().longNameMax(),
        !session.hasCustomConfig(),
        switches,
        owner,
        idle == null || idle.isZero() || reverse ? null : idle,
        controlSocket == null ? null : Path.of(controlSocket).toAbsolutePath(),
        kernelOptions(),
        excludedPaths(),
        excludedPatterns());
  }

  private static void turn(Set<Switch> switches, Switch one, boolean on) {
    if (on) {
      switches.add(one);
    }
  }

  private String source() {
    String name = arguments.text("fsname");
    String source = name == null ? session.cipherDir().toString() : name;
    if (source.contains(",")) {
      String shown = source.replace(',', '_');
      printer.warn(
          "Warning: "
              + GoText.quoted(source)
              + " will be displayed as "
              + GoText.quoted(shown)
              + " in \"df -T\"");
      return shown;
    }
    return source;
  }

  private List<String> kernelOptions() {
    List<String> options = new ArrayList<>();
    String raw = arguments.text("ko");
    if (raw != null) {
      options.addAll(Arrays.asList(raw.split(",", -1)));
    }
    String context = arguments.text("context");
    if (context != null) {
      options.add("context=\"" + context + "\"");
    }
    return options;
  }

  private List<String> excludedPaths() {
    List<String> paths = new ArrayList<>(arguments.texts("exclude"));
    paths.addAll(arguments.texts("e"));
    return paths;
  }

  private List<String> excludedPatterns() throws EndException {
    List<String> patterns = new ArrayList<>(arguments.texts("exclude-wildcard"));
    patterns.addAll(arguments.texts("ew"));
    for (String file : arguments.texts("exclude-from")) {
      try {
        patterns.addAll(Files.readAllLines(Path.of(file)));
      } catch (IOException e) {
        throw new EndException(
            ExitCode.EXCLUDE,
            "Error reading exclusion patterns: " + GoText.pathError("open", Path.of(file), e));
      }
    }
    return patterns;
  }

  private void checkMountPoint() throws EndException {
    if (MountPoint.isDescriptor(mountPoint)) {
      return;
    }
    Path cipherDir = session.cipherDir();
    String at = GoText.quoted(mountPoint.toString());
    String directory = GoText.quoted(cipherDir.toString());
    MountPoint.Problem problem = MountPoint.check(cipherDir, mountPoint, arguments.is("nonempty"));
    if (problem == null) {
      return;
    }
    throw new EndException(
        ExitCode.MOUNT_POINT,
        switch (problem) {
          case CONTAINS_VOLUME ->
              "Mountpoint "
                  + at
                  + " would shadow cipherdir "
                  + directory
                  + ", this is not supported";
          case INSIDE_VOLUME ->
              "Mountpoint "
                  + at
                  + " is contained in cipherdir "
                  + directory
                  + ", this is not supported";
          case MISSING -> "Invalid mountpoint: stat " + mountPoint + ": no such file or directory";
          case NOT_A_DIRECTORY -> "Invalid mountpoint: " + mountPoint + " is not a directory";
          case NOT_EMPTY -> "Invalid mountpoint: directory " + mountPoint + " not empty";
          case DISCONNECTED ->
              "Invalid mountpoint: stat " + mountPoint + ": transport endpoint is not connected";
          case NOT_ACCESSIBLE -> "Invalid mountpoint: stat " + mountPoint + ": permission denied";
        });
  }

  private @Nullable String owner() throws EndException {
    String text = arguments.text("force_owner");
    if (text == null) {
      return null;
    }
    String[] parts = text.split(":", -1);
    if (parts.length != 2) {
      throw new EndException(ExitCode.USAGE, "force_owner must be in form UID:GID");
    }
    for (int i = 0; i < 2; i++) {
      if (!parts[i].matches("\\d{1,9}")) {
        throw new EndException(
            ExitCode.USAGE,
            "force_owner: Unable to parse "
                + (i == 0 ? "UID " : "GID ")
                + parts[i]
                + " as positive integer");
      }
    }
    return text;
  }

  private void checkExcludes() throws EndException {
    if (session.reverse()) {
      return;
    }
    for (String name :
        List.of("exclude", "e", "exclude-wildcard", "ew", "exclude-from", "one-file-system")) {
      if (arguments.isGiven(name)) {
        throw new EndException(
            ExitCode.EXCLUDE,
            name.equals("one-file-system")
                ? "-one-file-system only works in reverse mode"
                : "-exclude only works in reverse mode");
      }
    }
  }

  /** Before the password is asked for. */
  private void checkControlSocket() throws EndException {
    String text = arguments.text("ctlsock");
    if (text == null) {
      return;
    }
    Path parent = Path.of(text).toAbsolutePath().getParent();
    if (parent == null || !Files.isDirectory(parent)) {
      throw new EndException(
          ExitCode.CONTROL_SOCKET,
          "ctlsock: listen unix " + text + ": bind: no such file or directory");
    }
  }

  private boolean readOnly() throws EndException {
    boolean readOnly = arguments.is("ro");
    if (!readOnly && !session.reverse() && MountPoint.isReadOnly(session.cipherDir())) {
      if (arguments.is("rw")) {
        throw new EndException(
            ExitCode.USAGE, "CIPHERDIR is on a read-only filesystem, cannot mount read-write");
      }
      return true;
    }
    return readOnly;
  }
}
