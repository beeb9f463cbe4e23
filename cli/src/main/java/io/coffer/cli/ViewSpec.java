package io.coffer.cli;

import io.coffer.format.gocryptfs.FeatureFlag;
import io.coffer.format.gocryptfs.GocryptfsConfig;
import io.coffer.format.gocryptfs.ScryptParameters;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A view to be mounted: all that its daemon has to know but the master key. It travels from the
 * process that asked for the password to the daemon through a pipe.
 *
 * @param directory the volume, or the plain tree of a reverse view; absolute
 * @param mountPoint absolute, or /dev/fd/N
 * @param source what the mount table shows as mounted
 * @param subtype the mount table shows the type {@code fuse.SUBTYPE}
 * @param program which program the log lines are of
 * @param features the volume's feature flags
 * @param longNameMax as in the configuration, 0 for the default
 * @param configInTree the configuration lies in the directory and belongs to a reverse view
 * @param switches what is on
 * @param owner everything belongs to this user and group, as {@code UID:GID}, or null
 * @param idle unmount after this time without use, or null
 * @param controlSocket where gocryptfs's control socket goes, or null
 * @param kernelOptions raw options for the kernel
 * @param excludedPaths left out of a reverse view
 * @param excludedPatterns left out of a reverse view, as in a gitignore file
 * @param keyService the reference of the key service that gave the password, or null
 */
public record ViewSpec(
    Path directory,
    Path mountPoint,
    String source,
    String subtype,
    String program,
    List<FeatureFlag> features,
    int longNameMax,
    boolean configInTree,
    Set<Switch> switches,
    @Nullable String owner,
    @Nullable Duration idle,
    @Nullable Path controlSocket,
    List<String> kernelOptions,
    List<String> excludedPaths,
    List<String> excludedPatterns,
    @Nullable Path keyService) {

  /** What a view can have or not. */
  public enum Switch {
    /** A plain tree is shown encrypted. */
    REVERSE,
    READ_ONLY,
    ALLOW_OTHER,
    /** The kernel enforces the POSIX ACLs of the store. */
    ACL,
    SET_USER_ID,
    DEVICES,
    NO_EXECUTION,
    /** Others change the store at the same time; without this and the next, that is found out. */
    SHARED,
    /** Nobody else may change the store at the same time. */
    EXCLUSIVE,
    /** A mount that has the store for itself is no reason to refuse another. */
    TOLERANT,
    /** Reads and writes go around the kernel's page cache. */
    DIRECT_IO,
    /** The kernel keeps cached contents even of files that it has closed. */
    KERNEL_CACHE,
    /** The kernel sends the reads of a file one after the other. */
    SERIALIZE_READS,
    /** Requests come over io_uring where kernel and administrator allow it. */
    IO_URING,
    /** Names that become too long are refused instead of hashed. */
    NO_LONG_NAMES,
    /** A reverse view leaves other filesystems out. */
    ONE_FILESYSTEM,
    /** The volume has trees with policies; there is no master key of the whole volume. */
    POLICIES,
    /** Everything is encrypted with a key that is no secret, to test programs. */
    TEST_DUMMY_ENCRYPTION,
    /** Log lines go to standard error even in the background. */
    NO_SYSTEM_LOG,
    /** Log lines have no prefix, as gocryptfs's. */
    PLAIN_LOG
  }

  public ViewSpec {
    features = List.copyOf(features);
    switches = switches.isEmpty() ? Set.of() : EnumSet.copyOf(switches);
    kernelOptions = List.copyOf(kernelOptions);
    excludedPaths = List.copyOf(excludedPaths);
    excludedPatterns = List.copyOf(excludedPatterns);
  }

  /** A view whose password came from no key service. */
  public ViewSpec(
      Path directory,
      Path mountPoint,
      String source,
      String subtype,
      String program,
      List<FeatureFlag> features,
      int longNameMax,
      boolean configInTree,
      Set<Switch> switches,
      @Nullable String owner,
      @Nullable Duration idle,
      @Nullable Path controlSocket,
      List<String> kernelOptions,
      List<String> excludedPaths,
      List<String> excludedPatterns) {
    this(
        directory,
        mountPoint,
        source,
        subtype,
        program,
        features,
        longNameMax,
        configInTree,
        switches,
        owner,
        idle,
        controlSocket,
        kernelOptions,
        excludedPaths,
        excludedPatterns,
        null);
  }

  boolean has(Switch one) {
    return switches.contains(one);
  }

  /** A configuration of these features, without any key. */
  GocryptfsConfig config() {
    return new GocryptfsConfig(
        "",
        new byte[0],
        ScryptParameters.create(ScryptParameters.MIN_LOG_N),
        features,
        longNameMax,
        null);
  }

  /** The same, mounted somewhere else or by somebody else. */
  ViewSpec servedAt(Path place) {
    return new ViewSpec(
        directory,
        place,
        source,
        subtype,
        program,
        features,
        longNameMax,
        configInTree,
        switches,
        owner,
        idle,
        controlSocket,
        kernelOptions,
        excludedPaths,
        excludedPatterns);
  }

  void write(DataOutputStream out) throws IOException {
    out.writeUTF(directory.toString());
    out.writeUTF(mountPoint.toString());
    out.writeUTF(source);
    out.writeUTF(subtype);
    out.writeUTF(program);
    writeAll(out, features.stream().map(Enum::name).toList());
    out.writeInt(longNameMax);
    out.writeBoolean(configInTree);
    writeAll(out, switches.stream().map(Enum::name).toList());
    writeOptional(out, owner);
    writeOptional(out, idle == null ? null : idle.toString());
    writeOptional(out, controlSocket == null ? null : controlSocket.toString());
    writeAll(out, kernelOptions);
    writeAll(out, excludedPaths);
    writeAll(out, excludedPatterns);
    writeOptional(out, keyService == null ? null : keyService.toString());
  }

  static ViewSpec read(DataInputStream in) throws IOException {
    Path directory = Path.of(in.readUTF());
    Path mountPoint = Path.of(in.readUTF());
    String source = in.readUTF();
    String subtype = in.readUTF();
    String program = in.readUTF();
    List<FeatureFlag> features = readAll(in).stream().map(FeatureFlag::valueOf).toList();
    int longNameMax = in.readInt();
    boolean configInTree = in.readBoolean();
    Set<Switch> switches = EnumSet.noneOf(Switch.class);
    readAll(in).forEach(name -> switches.add(Switch.valueOf(name)));
    String owner = readOptional(in);
    String idle = readOptional(in);
    String controlSocket = readOptional(in);
    List<String> kernelOptions = readAll(in);
    List<String> excludedPaths = readAll(in);
    List<String> excludedPatterns = readAll(in);
    String keyService = readOptional(in);
    return new ViewSpec(
        directory,
        mountPoint,
        source,
        subtype,
        program,
        features,
        longNameMax,
        configInTree,
        switches,
        owner,
        idle == null ? null : Duration.parse(idle),
        controlSocket == null ? null : Path.of(controlSocket),
        kernelOptions,
        excludedPaths,
        excludedPatterns,
        keyService == null ? null : Path.of(keyService));
  }

  private static void writeAll(DataOutputStream out, List<String> values) throws IOException {
    out.writeInt(values.size());
    for (String value : values) {
      out.writeUTF(value);
    }
  }

  private static List<String> readAll(DataInputStream in) throws IOException {
    int count = in.readInt();
    List<String> values = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      values.add(in.readUTF());
    }
    return values;
  }

  private static void writeOptional(DataOutputStream out, @Nullable String value)
      throws IOException {
    out.writeBoolean(value != null);
    if (value != null) {
      out.writeUTF(value);
    }
  }

  private static @Nullable String readOptional(DataInputStream in) throws IOException {
    return in.readBoolean() ? in.readUTF() : null;
  }
}
