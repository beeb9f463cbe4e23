package io.coffer.mount;

import java.io.IOException;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** A program that maps a file and adds one to each of its bytes. */
final class MapAndIncrement {
  private MapAndIncrement() {}

  public static void main(String[] arguments) throws IOException {
    try (FileChannel channel =
        FileChannel.open(
            Path.of(arguments[0]), StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      MappedByteBuffer map = channel.map(MapMode.READ_WRITE, 0, channel.size());
      for (int i = 0; i < map.capacity(); i++) {
        map.put(i, (byte) (map.get(i) + 1));
      }
      map.force();
    }
  }
}
