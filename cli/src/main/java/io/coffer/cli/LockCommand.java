package io.coffer.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code coffer lock}: takes a tree's key from a mounted view. */
@Command(
    name = "lock",
    sortOptions = false,
    description = {
      "Lock the encrypted directory DIR of a mounted view, and all others with the same key.",
      "",
      "What programs have written is in the volume when this returns, and nothing of it is left in"
          + " the kernel's caches. If DIR is not encrypted itself, gives up all keys that you"
          + " unlocked."
    },
    footer = {
      "",
      "Examples:",
      "  coffer lock view/project",
      "  coffer lock --lazy view/project",
      "  sudo coffer lock --all-users view"
    })
final class LockCommand extends BaseCommand {
  private static final int MOST_FILES = 20;

  /** How a view calls a key that is not there. */
  private static final String ABSENT = "absent";

  @Option(
      names = "--strict",
      description =
          "Files that are open can neither be read nor written from now on. This is the default.")
  private boolean strict;

  @Option(
      names = "--lazy",
      description = "Files that are open can be used until they are closed, as with the kernel's.")
  private boolean lazy;

  @Option(
      names = "--all-users",
      description = "Lock even if others have unlocked it too. For root and the mounting user.")
  private boolean allUsers;

  @Parameters(paramLabel = "DIR", description = "A directory of a mounted view.")
  private Path directory = Path.of(".");

  LockCommand(Ui ui) {
    super(ui);
  }

  @Override
  ExitCode run() throws CommandException, IOException {
    if (strict && lazy) {
      throw new CommandException(ExitCode.USAGE, "--strict and --lazy contradict each other");
    }
    TreeClient client = TreeClient.at(directory);
    List<String> identifiers = keysToGiveUp(client);
    for (String identifier : identifiers) {
      TreeClient.Locked locked = client.lock(identifier, allUsers, !lazy);
      if (locked.otherUsers()) {
        ui.err()
            .println(
                "coffer: other users still have the key " + identifier + "; it stays unlocked");
      } else if (!locked.busyFiles().isEmpty()) {
        tell(locked.busyFiles(), client.mountPoint());
      }
    }
    return ExitCode.OK;
  }

  /** The tree's key, or all of this user's if the directory is in no tree. */
  private List<String> keysToGiveUp(TreeClient client) throws CommandException, IOException {
    TreeClient.Tree tree = client.tree();
    List<TreeClient.Key> keys = client.keys();
    String wanted = tree.identifier();
    if (wanted == null) {
      List<String> own =
          keys.stream().filter(this::mayGiveUp).map(TreeClient.Key::identifier).toList();
      if (own.isEmpty() || !client.isRoot()) {
        ui.err()
            .println(
                "coffer: "
                    + directory
                    + " is not encrypted itself; keys of yours that were given up: "
                    + own.size());
      }
      return own;
    }
    if (ABSENT.equals(tree.status())) {
      ui.err().println("coffer: " + directory + " is locked already");
      return List.of();
    }
    for (TreeClient.Key key : keys) {
      if (key.identifier().equals(wanted) && !key.users().isEmpty() && !mayGiveUp(key)) {
        throw new CommandException(
            ExitCode.OTHER,
            directory + " was unlocked by other users and not by you",
            "sudo coffer lock --all-users " + Shell.quote(directory.toString()));
      }
    }
    return List.of(wanted);
  }

  private boolean mayGiveUp(TreeClient.Key key) {
    return allUsers || key.users().contains(Integer.toString(uid()));
  }

  private static int uid() {
    return io.coffer.posix.Credentials.effectiveUid();
  }

  private void tell(List<String> busy, Path mountPoint) {
    ui.err()
        .println(
            lazy
                ? "coffer: these files stay usable until they are closed:"
                : "coffer: these files were open, and can be neither read nor written any more:");
    busy.stream()
        .limit(MOST_FILES)
        .forEach(file -> {
          Path path = mountPoint.resolve(file);
          Set<String> holders = holders(path);
          ui.err()
              .println(
                  "  "
                      + path
                      + (holders.isEmpty() ? "" : " (process " + String.join(", ", holders) + ")"));
        });
    if (busy.size() > MOST_FILES) {
      ui.err().println("  and " + (busy.size() - MOST_FILES) + " more");
    }
  }

  /** Who has a file open, of the processes that this user may look at. */
  private static Set<String> holders(Path file) {
    Set<String> holders = new TreeSet<>();
    try (Stream<Path> processes = Files.list(Path.of("/proc"))) {
      processes
          .filter(process -> process.getFileName().toString().matches("\\d+"))
          .forEach(process -> {
            try (Stream<Path> descriptors = Files.list(process.resolve("fd"))) {
              if (descriptors.anyMatch(each -> leadsTo(each, file))) {
                holders.add(process.getFileName().toString());
              }
            } catch (IOException | java.io.UncheckedIOException e) {
              // Gone, or another user's.
            }
          });
    } catch (IOException e) {
      return holders;
    }
    return holders;
  }

  private static boolean leadsTo(Path descriptor, Path file) {
    try {
      return Files.readSymbolicLink(descriptor)
          .toString()
          .replace(" (deleted)", "")
          .equals(file.toString());
    } catch (IOException e) {
      return false;
    }
  }
}
