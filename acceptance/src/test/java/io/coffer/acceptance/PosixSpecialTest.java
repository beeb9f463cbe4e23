package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("FIFOs, sockets and devices")
class PosixSpecialTest extends OnSubject {
  PosixSpecialTest(Subject subject) {
    super(subject);
  }

  @Test
  void a_fifo_carries_data() throws Exception {
    me.mknod(at("p"), Person.S_IFIFO | 0600, 0);
    assertEquals(FileStatus.TYPE_FIFO, me.stat(at("p")).type(), "type");
    byte[] message = "through the pipe".getBytes(StandardCharsets.US_ASCII);
    CompletableFuture<Void> writer =
        CompletableFuture.runAsync(() -> {
          try (Person other = Person.self()) {
            int w = other.open(at("p"), Flags.O_WRONLY);
            other.write(w, message);
            Expect.errno(Errno.ESPIPE, "seek in a fifo", () -> other.seek(w, 0, Flags.SEEK_CUR));
            other.close(w);
          } catch (ErrnoException e) {
            throw new AssertionError(e);
          }
        });
    int r = me.open(at("p"), Flags.O_RDONLY);
    assertArrayEquals(message, me.readOnce(r, 100), "what came through the fifo");
    writer.get(20, TimeUnit.SECONDS);
    assertEquals(0, me.readOnce(r, 100).length, "end of the fifo");
    me.close(r);
    Expect.errno(
        Errno.ENXIO,
        "writer without a reader",
        () -> me.open(at("p"), Flags.O_WRONLY | Flags.O_NONBLOCK));
  }

  @Test
  void a_socket_carries_data() throws ErrnoException {
    // The address has room for 108 bytes only: bind by a relative path.
    me.chdir(dir);
    int listener = me.listen("s");
    assertEquals(FileStatus.TYPE_SOCKET, me.stat(at("s")).type(), "type");
    Person other = with(Person.self());
    other.chdir(dir);
    int client = other.connect("s");
    int server = me.accept(listener);
    other.write(client, "hello".getBytes(StandardCharsets.US_ASCII));
    assertEquals("hello", new String(me.readOnce(server, 10), StandardCharsets.US_ASCII));
    Expect.errno(Errno.ENXIO, "open of a socket", () -> me.open(at("s"), Flags.O_RDWR));
    for (int fd : new int[] {client, server, listener}) {
      me.close(fd);
    }
    Expect.errno(Errno.ECONNREFUSED, "nobody listens any more", () -> other.connect("s"));
    other.chdir("/");
    me.chdir("/");
  }

  @Test
  void devices_keep_their_numbers() throws ErrnoException {
    Tools.needRoot();
    long device = Linux.device(123, 456);
    me.mknod(at("c"), Person.S_IFCHR | 0600, device);
    me.mknod(at("b"), Person.S_IFBLK | 0600, Linux.device(7, 3));
    FileStatus c = me.stat(at("c"));
    assertEquals(FileStatus.TYPE_CHARACTER_DEVICE, c.type(), "type of the character device");
    assertEquals(device, c.specialDevice(), "numbers of the character device");
    assertEquals(FileStatus.TYPE_BLOCK_DEVICE, me.stat(at("b")).type(), "type of the block device");
    assertEquals(Linux.device(7, 3), me.stat(at("b")).specialDevice(), "its numbers");
    assertTrue(me.stat(at("c")).size() == 0, "size of a device");
  }

  @Test
  void mknod_makes_plain_files_too() throws ErrnoException {
    me.mknod(at("f"), Person.S_IFREG | 0640, 0);
    assertTrue(me.stat(at("f")).isRegular(), "type");
    me.write(at("f"), "text");
    assertEquals("text", me.read(at("f")), "contents");
  }
}
