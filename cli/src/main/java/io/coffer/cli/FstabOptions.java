package io.coffer.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Options as mount(8) passes them after {@code -o}: separated by commas, some for us, some for the
 * kernel, some that only mount(8) and the boot process care for.
 */
final class FstabOptions {
  private static final Set<String> FOR_OTHERS =
      Set.of(
          "defaults",
          "auto",
          "noauto",
          "user",
          "nouser",
          "users",
          "owner",
          "group",
          "nofail",
          "_netdev",
          "relatime",
          "norelatime",
          "atime",
          "noatime",
          "strictatime",
          "nostrictatime",
          "lazytime",
          "nolazytime",
          "diratime",
          "nodiratime",
          "async",
          "loud",
          "silent",
          "default_permissions",
          "foreground");

  private static final Set<String> FOR_KERNEL =
      Set.of("context", "fscontext", "defcontext", "rootcontext", "max_read");

  /**
   * One option.
   *
   * @param name with "_" for "-"
   * @param value what is behind "=", or null
   */
  record Item(String name, @Nullable String value, String text) {}

  private FstabOptions() {}

  /** The options of a list that concern us or the kernel. */
  static List<Item> parse(String list) {
    List<Item> items = new ArrayList<>();
    for (String text : list.split(",", -1)) {
      int equals = text.indexOf('=');
      String name = (equals < 0 ? text : text.substring(0, equals)).replace('-', '_');
      if (!text.isEmpty()
          && !FOR_OTHERS.contains(name)
          && !name.equals("comment")
          && !name.startsWith("x_")
          && !name.startsWith("X_")) {
        items.add(new Item(name, equals < 0 ? null : text.substring(equals + 1), text));
      }
    }
    return items;
  }

  /** Is it for the kernel as it is? */
  static boolean isForKernel(Item item) {
    return FOR_KERNEL.contains(item.name());
  }
}
