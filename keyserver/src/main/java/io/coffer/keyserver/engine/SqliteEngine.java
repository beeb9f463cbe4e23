package io.coffer.keyserver.engine;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The embedded engine: one SQLite file in WAL mode with synchronous=FULL, so that a transaction
 * that was acknowledged survives a power cut. One connection writes, a few read. The file {@code
 * NAME.lock} beside it keeps a second server out.
 */
public final class SqliteEngine implements Engine {
  // "cofk", so that file(1) and a careless open of another database can tell them apart.
  private static final int APPLICATION_ID = 0x636f666b;
  private static final int SCHEMA = 1;
  private static final int READERS = 4;

  private final Path file;
  private final Set<Path> parts;
  private final Map<Path, Object> identities = new HashMap<>();
  private final FileChannel lockChannel;
  private final FileLock lock;
  private final Connection writer;
  private final PreparedStatement insert;
  private final PreparedStatement update;
  private final PreparedStatement delete;
  private final PreparedStatement advance;
  private final BlockingQueue<Reader> readers = new ArrayBlockingQueue<>(READERS, true);
  private final List<Consumer<Applied>> listeners = new CopyOnWriteArrayList<>();
  private long revision;
  private volatile boolean closed;

  /** A connection that reads, with its statements: preparing them takes longer than a look-up. */
  private record Reader(Connection connection, PreparedStatement get, PreparedStatement range)
      implements AutoCloseable {
    static Reader of(Connection connection) throws SQLException {
      return new Reader(
          connection,
          connection.prepareStatement("SELECT value, version FROM entry WHERE key = ?"),
          connection.prepareStatement(
              "SELECT key, value, version FROM entry WHERE key > ? ORDER BY key LIMIT ?"));
    }

    @Override
    public void close() throws SQLException {
      connection.close();
    }
  }

  private SqliteEngine(
      Path file,
      FileChannel lockChannel,
      FileLock lock,
      Connection writer,
      List<Connection> readers)
      throws SQLException {
    this.file = file;
    Path real = real(file);
    this.parts = Set.of(real, real.resolveSibling(real.getFileName() + "-wal"));
    this.lockChannel = lockChannel;
    this.lock = lock;
    this.writer = writer;
    for (Connection connection : readers) {
      this.readers.add(Reader.of(connection));
    }
    insert =
        writer.prepareStatement(
            "INSERT INTO entry (value, version, key) VALUES (?, ?, ?) ON CONFLICT DO NOTHING");
    update =
        writer.prepareStatement(
            "UPDATE entry SET value = ?, version = ? WHERE key = ? AND version = ?");
    delete = writer.prepareStatement("DELETE FROM entry WHERE key = ? AND version = ?");
    advance = writer.prepareStatement("UPDATE revision SET value = ?");
    try (Statement statement = writer.createStatement();
        ResultSet row = statement.executeQuery("SELECT value FROM revision")) {
      row.next();
      revision = row.getLong(1);
    }
  }

  /**
   * Opens a store, and makes it if the file does not exist.
   *
   * @throws EngineException if another process has it open, or it is no store of this service
   */
  public static SqliteEngine open(Path file) throws EngineException {
    FileChannel channel = null;
    List<Connection> opened = new ArrayList<>();
    try {
      channel =
          FileChannel.open(
              file.resolveSibling(file.getFileName() + ".lock"),
              Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE),
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
      FileLock lock = tryLock(channel);
      if (lock == null) {
        throw new EngineException(file + " is in use by another key server; stop that one first");
      }
      boolean fresh = !Files.exists(file);
      if (fresh) {
        Files.createFile(
            file,
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
      }
      for (int i = 0; i <= READERS; i++) {
        opened.add(connect(file));
      }
      prepare(opened.getFirst(), file);
      SqliteEngine engine =
          new SqliteEngine(
              file, channel, lock, opened.getFirst(), opened.subList(1, opened.size()));
      engine.requireInPlace();
      return engine;
    } catch (IOException | SQLException e) {
      for (Connection connection : opened) {
        closeQuietly(connection);
      }
      closeQuietly(channel);
      if (e instanceof EngineException engine) {
        throw engine;
      }
      throw new EngineException("cannot open the store " + file + ": " + e.getMessage(), e);
    }
  }

  private static @Nullable FileLock tryLock(FileChannel channel) throws IOException {
    try {
      return channel.tryLock();
    } catch (OverlappingFileLockException e) {
      return null;
    }
  }

  private static Connection connect(Path file) throws SQLException {
    Properties properties = new Properties();
    properties.setProperty("journal_mode", "WAL");
    properties.setProperty("synchronous", "FULL");
    properties.setProperty("busy_timeout", "10000");
    return DriverManager.getConnection("jdbc:sqlite:" + file.toAbsolutePath(), properties);
  }

  private static void prepare(Connection connection, Path file)
      throws SQLException, EngineException {
    try (Statement statement = connection.createStatement()) {
      int application = number(statement, "PRAGMA application_id");
      int schema = number(statement, "PRAGMA user_version");
      if (application == 0 && schema == 0 && number(statement, "PRAGMA schema_version") == 0) {
        statement.executeUpdate("PRAGMA application_id = " + APPLICATION_ID);
        statement.executeUpdate("PRAGMA user_version = " + SCHEMA);
        statement.executeUpdate(
            "CREATE TABLE entry (key TEXT PRIMARY KEY, value BLOB NOT NULL,"
                + " version INTEGER NOT NULL) WITHOUT ROWID");
        statement.executeUpdate("CREATE TABLE revision (value INTEGER NOT NULL)");
        statement.executeUpdate("INSERT INTO revision VALUES (0)");
      } else if (application != APPLICATION_ID) {
        throw new EngineException(file + " is not the store of a key server");
      } else if (schema != SCHEMA) {
        throw new EngineException(
            file + " was written by another version of the key server (schema " + schema + ")");
      }
    }
  }

  private static int number(Statement statement, String query) throws SQLException {
    try (ResultSet row = statement.executeQuery(query)) {
      row.next();
      return row.getInt(1);
    }
  }

  @Override
  public @Nullable Entry get(String key) throws EngineException {
    Reader reader = takeReader();
    try {
      reader.get().setString(1, key);
      try (ResultSet row = reader.get().executeQuery()) {
        return row.next() ? new Entry(key, row.getBytes(1), row.getLong(2)) : null;
      }
    } catch (SQLException e) {
      throw new EngineException("cannot read from the store: " + e.getMessage(), e);
    } finally {
      readers.add(reader);
    }
  }

  @Override
  public List<Entry> range(String after, int limit, long past) throws EngineException {
    Reader reader = takeReader();
    try {
      reader.range().setString(1, after);
      reader.range().setInt(2, limit);
      try (ResultSet row = reader.range().executeQuery()) {
        List<Entry> entries = new ArrayList<>();
        while (row.next()) {
          entries.add(new Entry(row.getString(1), row.getBytes(2), row.getLong(3)));
        }
        return entries;
      }
    } catch (SQLException e) {
      throw new EngineException("cannot read from the store: " + e.getMessage(), e);
    } finally {
      readers.add(reader);
    }
  }

  @Override
  public synchronized long apply(List<Change> changes) throws EngineException {
    requireOpen();
    requireInPlace();
    long next = revision + 1;
    try (Statement transaction = writer.createStatement()) {
      transaction.execute("BEGIN IMMEDIATE");
      boolean committed = false;
      try {
        for (Change change : changes) {
          applyOne(change, next);
        }
        advance.setLong(1, next);
        advance.executeUpdate();
        transaction.execute("COMMIT");
        committed = true;
      } finally {
        if (!committed) {
          rollBack(transaction);
        }
      }
    } catch (SQLException e) {
      throw new EngineException("cannot write to the store: " + e.getMessage(), e);
    }
    revision = next;
    Applied applied = new Applied(next, List.copyOf(changes));
    listeners.forEach(listener -> listener.accept(applied));
    return next;
  }

  private static Path real(Path file) throws SQLException {
    try {
      return file.toRealPath();
    } catch (IOException e) {
      throw new SQLException("cannot find " + file, e);
    }
  }

  /**
   * SQLite goes on writing into a file that was removed or moved away, where everything is lost as
   * soon as the server ends: it does not look. This looks.
   */
  private synchronized void requireInPlace() throws EngineException {
    for (Path part : parts) {
      Object now;
      try {
        now = Files.readAttributes(part, BasicFileAttributes.class).fileKey();
      } catch (IOException e) {
        now = null;
      }
      Object before = now == null ? identities.get(part) : identities.putIfAbsent(part, now);
      if (!Objects.equals(now, before == null ? now : before)) {
        throw new EngineException(
            "the store's file "
                + part
                + " was removed, moved or replaced while it was in use. Put it back, if it was"
                + " moved. If it was removed, do not stop the server: what was stored is in"
                + " /proc/"
                + ProcessHandle.current().pid()
                + "/fd until then. Copy it from there, or restore a backup");
      }
    }
  }

  private void applyOne(Change change, long next) throws SQLException, ConflictException {
    byte[] value = change.value();
    boolean fresh = change.expectedVersion() == ABSENT;
    PreparedStatement statement = value == null ? delete : fresh ? insert : update;
    int parameter = 1;
    if (value != null) {
      statement.setBytes(parameter++, value);
      statement.setLong(parameter++, next);
    }
    statement.setString(parameter++, change.key());
    if (value == null || !fresh) {
      statement.setLong(parameter, change.expectedVersion());
    }
    int changed = statement.executeUpdate();
    // Not to be kept in memory until the next change.
    statement.clearParameters();
    if (changed != 1) {
      throw new ConflictException("the entry " + change.key() + " has changed");
    }
  }

  private static void rollBack(Statement transaction) {
    try {
      transaction.execute("ROLLBACK");
    } catch (SQLException e) {
      // The failure that led here says more; SQLite has rolled back by itself in such cases.
      System.getLogger("io.coffer.keyserver")
          .log(System.Logger.Level.DEBUG, "rollback: {0}", e.getMessage());
    }
  }

  @Override
  public synchronized Watch watch(long after, Consumer<Applied> listener, Runnable lost) {
    if (after < revision) {
      lost.run();
    }
    listeners.add(listener);
    return new Watch() {
      @Override
      public void nudge() {
        // Told by whoever writes, in this process: nothing gets lost on the way.
      }

      @Override
      public void close() {
        listeners.remove(listener);
      }
    };
  }

  @Override
  public synchronized void backUp(Path target) throws EngineException {
    requireOpen();
    // Over a connection of its own: SQLite does not copy where a statement is kept that inserts.
    copy(file, target);
  }

  /**
   * Writes a consistent copy of a store that another process may have open at the moment.
   *
   * @param target must not exist
   */
  public static void copy(Path file, Path target) throws EngineException {
    if (!Files.exists(file)) {
      throw new EngineException("there is no store " + file);
    }
    try (Connection connection = connect(file)) {
      copy(connection, target);
    } catch (SQLException e) {
      throw new EngineException("cannot read the store " + file + ": " + e.getMessage(), e);
    }
  }

  private static void copy(Connection connection, Path target) throws EngineException {
    if (Files.exists(target)) {
      throw new EngineException(target + " exists already; name a new file");
    }
    try {
      Files.createFile(
          target,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
      try (PreparedStatement statement = connection.prepareStatement("VACUUM INTO ?")) {
        statement.setString(1, target.toAbsolutePath().toString());
        statement.execute();
      }
      try (FileChannel channel = FileChannel.open(target, StandardOpenOption.WRITE)) {
        channel.force(true);
      }
    } catch (SQLException | IOException e) {
      throw new EngineException("cannot write the copy " + target + ": " + e.getMessage(), e);
    }
  }

  /**
   * Has SQLite compare its pages with one another.
   *
   * @throws EngineException if the file is damaged
   */
  public synchronized void check() throws EngineException {
    requireOpen();
    try (Statement statement = writer.createStatement();
        ResultSet row = statement.executeQuery("PRAGMA integrity_check(1)")) {
      String verdict = row.next() ? row.getString(1) : "no answer";
      if (!"ok".equals(verdict)) {
        throw new EngineException("the store is damaged: " + verdict);
      }
    } catch (SQLException e) {
      throw new EngineException("the store is damaged: " + e.getMessage(), e);
    }
  }

  private Reader takeReader() throws EngineException {
    // Without the lock of the writer, who holds it until its data is on the disk.
    requireOpen();
    try {
      return readers.take();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new EngineException("interrupted while waiting for the store", e);
    }
  }

  private void requireOpen() throws EngineException {
    if (closed) {
      throw new EngineException("the store is closed");
    }
  }

  @Override
  public void close() {
    synchronized (this) {
      if (closed) {
        return;
      }
      closed = true;
    }
    for (int i = 0; i < READERS; i++) {
      try {
        closeQuietly(readers.take());
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        break;
      }
    }
    closeQuietly(writer);
    closeQuietly(lock);
    closeQuietly(lockChannel);
  }

  private static void closeQuietly(@Nullable AutoCloseable resource) {
    try {
      if (resource != null) {
        resource.close();
      }
    } catch (Exception e) {
      System.getLogger("io.coffer.keyserver")
          .log(System.Logger.Level.WARNING, "closing the store: {0}", e.getMessage());
    }
  }
}
