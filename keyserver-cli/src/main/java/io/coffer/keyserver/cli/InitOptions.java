package io.coffer.keyserver.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.keyserver.ca.DurableFiles;
import io.coffer.keyserver.seal.SealException;
import io.coffer.keyserver.seal.Share;
import io.coffer.keyserver.server.Hardware;
import io.coffer.keyserver.server.ServerHome;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** How a new server is made. */
final class InitOptions {
  private static final Pattern QUORUM = Pattern.compile("([0-9]{1,3})/([0-9]{1,3})");

  @Mixin private EtcdOptions etcd = new EtcdOptions();

  @Option(
      names = "--name",
      paramLabel = "NAME",
      defaultValue = "server",
      description = "What this one of several servers is called (default: server).")
  private String name = "";

  @Option(
      names = "--listen",
      paramLabel = "ADDRESS:PORT",
      defaultValue = ServerHome.DEFAULT_HOST + ":" + ServerHome.DEFAULT_PORT,
      description = "Where it listens (default: ${DEFAULT-VALUE}).")
  private String listen = "";

  @Option(
      names = "--host",
      paramLabel = "HOST",
      description = "A further name or address that clients reach it by; may be repeated.")
  private @Nullable List<String> hosts;

  @Option(
      names = "--quorum",
      paramLabel = "K/N",
      description = "Open it by any K of N shares instead of a passphrase.")
  private @Nullable String quorum;

  @Option(
      names = "--seal",
      paramLabel = "KIND",
      description =
          "Seal it to hardware as well, by which it opens itself: tpm or pkcs11. The passphrase"
              + " or the quorum remains for the day when that fails.")
  private @Nullable String seal;

  @Mixin private HardwareOptions hardware = new HardwareOptions();

  @Option(
      names = "--shares-dir",
      paramLabel = "DIR",
      description = "Write the shares there, one file each, instead of printing them.")
  private @Nullable Path sharesDirectory;

  boolean isQuorum() {
    return quorum != null;
  }

  /** Is it to open itself by its TPM? */
  boolean isTpm() {
    return "tpm".equals(seal);
  }

  /** Is any of them given that differs from what is so anyway? */
  boolean areGiven() {
    return etcd.areGiven()
        || !name.equals("server")
        || !listen.equals(ServerHome.DEFAULT_HOST + ":" + ServerHome.DEFAULT_PORT)
        || hosts != null
        || quorum != null
        || seal != null
        || sharesDirectory != null;
  }

  /** Makes it. Its passphrase is returned; of no use for one with a quorum. */
  SecretBytes make(@Nullable Path passphraseFile, Path directory, Console console)
      throws IOException, Failure {
    ServerHome.Listen where = KeyserverCommand.listen(listen);
    HardwareOptions.Chosen chosen =
        seal == null ? null : hardware.choose(seal, seal, Hardware.NONE, console);
    ServerHome.Opening opening;
    SecretBytes passphrase = null;
    if (quorum != null) {
      int[] numbers = numbers(quorum);
      opening = ServerHome.Opening.quorum(numbers[0], numbers[1]);
    } else {
      passphrase = console.secret(passphraseFile, "New passphrase of the key server: ", true);
      opening = ServerHome.Opening.passphrase(passphrase);
    }
    if (chosen != null) {
      opening = opening.and(chosen.hardware(), chosen.extra());
    }
    try {
      List<Share> shares =
          ServerHome.init(
              directory,
              name,
              where.host(),
              where.port(),
              new LinkedHashSet<>(hosts == null ? List.of() : hosts),
              opening,
              etcd.settings(),
              Clock.systemUTC());
      handOut(shares, sharesDirectory, console);
    } catch (SealException e) {
      KeyserverCommand.closeIfAny(passphrase);
      boolean device = !e.advice().isEmpty();
      throw new Failure(
          device ? Failure.OTHER : Failure.USAGE,
          String.valueOf(e.getMessage()),
          device ? e.advice() : "Nothing was made; try again.");
    } catch (IOException | RuntimeException e) {
      KeyserverCommand.closeIfAny(passphrase);
      throw e;
    }
    return passphrase == null ? SecretBytes.take(new byte[1]) : passphrase;
  }

  /** The two numbers of a quorum. */
  static int[] numbers(String text) throws Failure {
    Matcher quorum = QUORUM.matcher(text);
    if (!quorum.matches()) {
      throw new Failure(
          Failure.USAGE, "'" + text + "' is no quorum", "Write K/N, for example 3/5.");
    }
    return new int[] {Integer.parseInt(quorum.group(1)), Integer.parseInt(quorum.group(2))};
  }

  static void handOut(List<Share> shares, @Nullable Path directory, Console console)
      throws IOException {
    if (shares.isEmpty()) {
      return;
    }
    if (directory != null) {
      DurableFiles.createPrivateDirectory(directory);
    } else {
      console.say("give each of these shares to another operator; they are not shown again");
    }
    for (Share share : shares) {
      byte[] text = share.text();
      try {
        if (directory == null) {
          console.printSecret(text);
        } else {
          byte[] line = Arrays.copyOf(text, text.length + 1);
          line[text.length] = '\n';
          DurableFiles.writePrivate(directory.resolve("share-" + share.number()), line);
          Arrays.fill(line, (byte) 0);
        }
      } finally {
        Arrays.fill(text, (byte) 0);
        share.close();
      }
    }
  }
}
