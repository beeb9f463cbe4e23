package io.coffer.keyserver.tpm;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;

/** Takes commands to a TPM and brings back what it answers. Not thread-safe. */
public interface TpmChannel extends AutoCloseable {
  /** Sends a command and returns the whole response. */
  byte[] transmit(byte[] command) throws IOException;

  @Override
  void close() throws IOException;

  /**
   * Opens one.
   *
   * @param where a device, as /dev/tpmrm0, or {@code tcp:HOST:PORT} of a software TPM (swtpm)
   */
  static TpmChannel open(String where) throws IOException {
    return where.startsWith("tcp:") ? socket(where) : device(where);
  }

  private static TpmChannel device(String path) throws IOException {
    // A file that is none would be overwritten with commands, and one that is not there be made.
    Path device = Path.of(path);
    if (!Files.exists(device)) {
      throw new TpmException(
          "there is no TPM "
              + path
              + "; name its device, or look whether the firmware has it turned on");
    }
    if (!Files.readAttributes(device, BasicFileAttributes.class).isOther()) {
      throw new TpmException(path + " is no TPM; write /dev/tpmrm0 or tcp:HOST:PORT");
    }
    RandomAccessFile file = new RandomAccessFile(path, "rw");
    return new TpmChannel() {
      @Override
      public byte[] transmit(byte[] command) throws IOException {
        file.write(command);
        byte[] response = new byte[4096];
        int read = file.read(response);
        return java.util.Arrays.copyOf(response, Math.max(0, read));
      }

      @Override
      public void close() throws IOException {
        file.close();
      }
    };
  }

  private static TpmChannel socket(String where) throws IOException {
    int colon = where.lastIndexOf(':');
    String port = where.substring(colon + 1);
    if (colon <= 4 || !port.matches("[0-9]{1,5}")) {
      throw new TpmException("'" + where + "' is no TPM; write /dev/tpmrm0 or tcp:HOST:PORT");
    }
    Socket socket = new Socket();
    try {
      socket.connect(
          new InetSocketAddress(where.substring(4, colon), Integer.parseInt(port)), 10_000);
      socket.setSoTimeout(60_000);
    } catch (IOException e) {
      socket.close();
      throw new TpmException("the TPM " + where + " cannot be reached: " + e.getMessage(), e);
    }
    return new TpmChannel() {
      @Override
      public byte[] transmit(byte[] command) throws IOException {
        socket.getOutputStream().write(command);
        socket.getOutputStream().flush();
        DataInputStream in = new DataInputStream(socket.getInputStream());
        byte[] header = new byte[10];
        in.readFully(header);
        int size = ByteBuffer.wrap(header).getInt(2);
        if (size < 10 || size > 1 << 16) {
          throw new TpmException("the TPM's answer is malformed");
        }
        byte[] response = java.util.Arrays.copyOf(header, size);
        in.readFully(response, 10, size - 10);
        return response;
      }

      @Override
      public void close() throws IOException {
        socket.close();
      }
    };
  }
}
