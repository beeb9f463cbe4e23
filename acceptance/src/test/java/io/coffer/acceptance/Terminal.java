package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.ArrayList;
import java.util.List;

/**
 * Runs a program on a terminal of its own (with expect): waits for each prompt and answers at once,
 * as a script does and faster than a person would.
 */
final class Terminal {
  private final List<String> words;
  private final List<String> secrets = new ArrayList<>();
  private final StringBuilder script = new StringBuilder();

  private Terminal(List<String> words) {
    this.words = words;
  }

  static Terminal of(Object... words) {
    List<String> all = new ArrayList<>();
    for (Object word : words) {
      all.add(word.toString());
    }
    return new Terminal(all);
  }

  /** Waits for the prompt, then types the answer and Enter. */
  Terminal answer(String prompt, String answer) {
    script
        .append("expect {\n -ex {")
        .append(prompt)
        .append("} {}\n timeout { puts stderr {no prompt: ")
        .append(prompt)
        .append("}; exit 98 }\n eof { puts stderr {ended before: ")
        .append(prompt)
        .append("}; exit 97 }\n}\nsend -- {")
        .append(answer)
        .append("}\nsend \\r\n");
    return this;
  }

  /** As {@link #answer}, with what the terminal must not show. */
  Terminal secret(String prompt, String answer) {
    secrets.add(answer);
    return answer(prompt, answer);
  }

  /** Runs to the end; stdout is what the terminal showed, with plain line ends. */
  Outcome run() {
    Tools.need("expect");
    StringBuilder spawn = new StringBuilder("set timeout 90\nspawn -noecho");
    for (String word : words) {
      spawn.append(" {").append(word).append('}');
    }
    String whole =
        spawn + "\n" + script + "expect eof\nlassign [wait] pid id os code\nexit $code\n";
    Outcome outcome = Command.of("expect", "-c", whole).run();
    Outcome shown =
        new Outcome(words, outcome.exit(), outcome.out().replace("\r\n", "\n"), outcome.err());
    for (String secret : secrets) {
      assertFalse(shown.out().contains(secret), () -> "the terminal shows the secret: " + shown);
    }
    return shown;
  }
}
