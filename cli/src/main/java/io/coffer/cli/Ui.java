package io.coffer.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.keys.PasswordSource;
import io.coffer.keys.VolumeException;
import io.coffer.keys.VolumeException.Problem;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Terminals;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.function.BooleanSupplier;

/**
 * Where a command talks to whoever started it: results on standard output, everything else on
 * standard error, questions at the terminal.
 */
public final class Ui {
  private static final int STDIN = 0;
  private static final int STDOUT = 1;
  private static final int STDERR = 2;

  private final InputStream in;
  private final PrintStream out;
  private final PrintStream err;
  private final BooleanSupplier inIsTerminal;
  private final BooleanSupplier outIsTerminal;
  private final BooleanSupplier errIsTerminal;

  /**
   * @param in must not read ahead, so that what follows a password is left for whoever reads next
   */
  Ui(
      InputStream in,
      PrintStream out,
      PrintStream err,
      boolean inIsTerminal,
      boolean outIsTerminal,
      boolean errIsTerminal) {
    this(in, out, err, () -> inIsTerminal, () -> outIsTerminal, () -> errIsTerminal);
  }

  private Ui(
      InputStream in,
      PrintStream out,
      PrintStream err,
      BooleanSupplier inIsTerminal,
      BooleanSupplier outIsTerminal,
      BooleanSupplier errIsTerminal) {
    this.in = in;
    this.out = out;
    this.err = err;
    this.inIsTerminal = inIsTerminal;
    this.outIsTerminal = outIsTerminal;
    this.errIsTerminal = errIsTerminal;
  }

  /**
   * The standard streams of this process. Text is UTF-8 whatever the locale says. Whether they are
   * terminals is asked when somebody wants to know: the first system call takes time to link.
   */
  public static Ui standard() {
    return new Ui(
        new FileInputStream(FileDescriptor.in),
        new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8),
        new PrintStream(new FileOutputStream(FileDescriptor.err), true, StandardCharsets.UTF_8),
        () -> Terminals.isTerminal(STDIN),
        () -> Terminals.isTerminal(STDOUT),
        () -> Terminals.isTerminal(STDERR));
  }

  /** Results. */
  public PrintStream out() {
    return out;
  }

  /** Everything else. */
  public PrintStream err() {
    return err;
  }

  public InputStream in() {
    return in;
  }

  public boolean inIsTerminal() {
    return inIsTerminal.getAsBoolean();
  }

  public boolean outIsTerminal() {
    return outIsTerminal.getAsBoolean();
  }

  public boolean errIsTerminal() {
    return errIsTerminal.getAsBoolean();
  }

  /**
   * A password that is typed: after a prompt and without echo at a terminal, else a line of
   * standard input.
   */
  public PasswordSource typedPassword(String prompt) {
    return () -> inIsTerminal() ? ask(prompt) : PasswordSource.stream(in, "standard input").read();
  }

  /** A new password: typed twice at a terminal, else one line of standard input. */
  public PasswordSource newPassword(String prompt) {
    return () -> {
      if (!inIsTerminal()) {
        return typedPassword(prompt).read();
      }
      SecretBytes first = ask(prompt);
      try (SecretBytes second = ask("Repeat: ")) {
        if (!first.matches(second)) {
          throw new VolumeException(Problem.PASSWORD_UNREADABLE, "the passwords do not match");
        }
        return first;
      } catch (VolumeException e) {
        first.close();
        throw e;
      }
    };
  }

  private SecretBytes ask(String prompt) throws VolumeException {
    byte[] mode;
    try {
      mode = Terminals.stopEcho(STDIN);
    } catch (ErrnoException e) {
      throw new VolumeException(
          Problem.PASSWORD_UNREADABLE, "the terminal refuses to hide what is typed", null, e);
    }
    // Ctrl-C must not leave the user with a terminal that does not show what is typed.
    Interruption.Cleanup restore = Interruption.onInterrupt(() -> restore(mode));
    try {
      // Only now: a program that answers at once would be shown, and flushed by stopEcho.
      err.print(prompt);
      err.flush();
      return PasswordSource.stream(in, "the terminal").read();
    } finally {
      restore.cancel();
      restore(mode);
    }
  }

  private void restore(byte[] mode) {
    try {
      Terminals.setMode(STDIN, mode);
    } catch (ErrnoException e) {
      err.print("(the terminal cannot be reset: run 'stty echo')");
    }
    err.println();
  }
}
