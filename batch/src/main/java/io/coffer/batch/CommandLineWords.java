package io.coffer.batch;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A command with its environment and directory, as the bytes that the kernel knows them by, since
 * no character set makes all of them text.
 *
 * @param words the program and its arguments
 * @param environment as NAME=VALUE
 * @param directory where it is started; empty for where the caller is
 */
public record CommandLineWords(List<byte[]> words, List<byte[]> environment, byte[] directory) {

  private static final int MOST = 1 << 22;

  public CommandLineWords {
    words = List.copyOf(words);
    environment = List.copyOf(environment);
  }

  /** The same with another variable, which replaces one of the same name. */
  public CommandLineWords with(String name, String value) {
    List<byte[]> changed = new ArrayList<>(without(name).environment);
    changed.add((name + "=" + value).getBytes(StandardCharsets.UTF_8));
    return new CommandLineWords(words, changed, directory);
  }

  /** The same without a variable. */
  public CommandLineWords without(String name) {
    byte[] prefix = (name + "=").getBytes(StandardCharsets.UTF_8);
    List<byte[]> others = environment.stream().filter(each -> !startsWith(each, prefix)).toList();
    return new CommandLineWords(words, others, directory);
  }

  /** The same, started in another directory. */
  public CommandLineWords startedIn(byte[] place) {
    return new CommandLineWords(words, environment, place);
  }

  /** The value of a variable, or an empty array. */
  byte[] variable(String name) {
    byte[] prefix = (name + "=").getBytes(StandardCharsets.UTF_8);
    return environment.stream()
        .filter(each -> startsWith(each, prefix))
        .findFirst()
        .map(each -> Arrays.copyOfRange(each, prefix.length, each.length))
        .orElse(new byte[0]);
  }

  private static boolean startsWith(byte[] whole, byte[] prefix) {
    return whole.length >= prefix.length
        && Arrays.equals(whole, 0, prefix.length, prefix, 0, prefix.length);
  }

  /** Strings that end with a NUL each, as in /proc/self/cmdline and environ. */
  public static List<byte[]> split(byte[] strings) {
    List<byte[]> all = new ArrayList<>();
    int start = 0;
    for (int i = 0; i < strings.length; i++) {
      if (strings[i] == 0) {
        all.add(Arrays.copyOfRange(strings, start, i));
        start = i + 1;
      }
    }
    return all;
  }

  void write(DataOutputStream out) throws IOException {
    writeAll(out, words);
    writeAll(out, environment);
    writeAll(out, List.of(directory));
  }

  static CommandLineWords read(DataInputStream in) throws IOException {
    return new CommandLineWords(readAll(in), readAll(in), readAll(in).getFirst());
  }

  private static void writeAll(DataOutputStream out, List<byte[]> values) throws IOException {
    out.writeInt(values.size());
    for (byte[] value : values) {
      out.writeInt(value.length);
      out.write(value);
    }
  }

  private static List<byte[]> readAll(DataInputStream in) throws IOException {
    int count = length(in);
    List<byte[]> values = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      byte[] value = new byte[length(in)];
      in.readFully(value);
      values.add(value);
    }
    return values;
  }

  private static int length(DataInputStream in) throws IOException {
    int length = in.readInt();
    if (length < 0 || length > MOST) {
      throw new IOException("a length of " + length);
    }
    return length;
  }
}
