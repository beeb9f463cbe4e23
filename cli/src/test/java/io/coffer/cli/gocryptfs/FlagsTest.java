package io.coffer.cli.gocryptfs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.cli.gocryptfs.Flags.FlagException;
import io.coffer.cli.gocryptfs.Flags.HelpException;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@DisplayName("gocryptfs's flags")
class FlagsTest {
  private static Flags parse(String... args) throws FlagException, HelpException {
    Flags flags = new Flags(Arguments.known());
    flags.parse(Flags.expandMountOptions(List.of(args)));
    return flags;
  }

  @Test
  void beginWithOneDashOrTwoAndMixWithArguments() throws Exception {
    Flags flags = parse("cipher", "-ro", "mount", "--quiet");
    assertEquals(List.of("cipher", "mount"), flags.positional());
    assertTrue(flags.isTrue("ro"));
    assertTrue(flags.isTrue("quiet"));
  }

  @Test
  void takeTheirValueAfterAnEqualsSignOrAsTheNextWord() throws Exception {
    Flags flags = parse("-config=a", "-fsname", "b", "-raw64=false", "-scryptn=12");
    assertEquals("a", flags.text("config"));
    assertEquals("b", flags.text("fsname"));
    assertFalse(flags.isTrue("raw64", true));
    assertEquals(12, flags.number("scryptn", 0));
  }

  @Test
  void endAtTwoDashes() throws Exception {
    Flags flags = parse("-ro", "--", "-rw", "x");
    assertEquals(List.of("-rw", "x"), flags.positional());
    assertFalse(flags.isGiven("rw"));
  }

  @Test
  void mayComeAsMountWritesThem() throws Exception {
    Flags flags = parse("cipher", "mount", "-o", "ro,allow_other,passfile=/k,,nofail");
    assertTrue(flags.isTrue("ro"));
    assertTrue(flags.isTrue("allow_other"));
    assertEquals(List.of("/k"), flags.texts("passfile"));
    assertEquals(List.of("cipher", "mount"), flags.positional());
  }

  @Test
  void areNotExpandedWhenTwoDashesAreThere() throws Exception {
    Flags flags = parse("-o", "x", "--", "cipher");
    assertEquals("x", flags.text("o"));
  }

  @Test
  void mayBeRepeatedWhereThatMakesSense() throws Exception {
    Flags flags = parse("-extpass", "a b", "-extpass=c,d");
    assertEquals(List.of("a b", "c,d"), flags.texts("extpass"));
  }

  @Test
  void turnAValueWithADashIntoOneWithTwoUnlessItIsJoined() throws Exception {
    assertEquals("--n", parse("-extpass", "-n").text("extpass"));
    assertEquals("-n", parse("-extpass=-n").text("extpass"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "-bogus | unknown flag: --bogus",
        "-config | flag needs an argument: --config",
        "--=x | bad flag syntax: --=x",
        "---x | bad flag syntax: ---x",
        "-ro=maybe | invalid argument \"maybe\" for \"--ro\" flag: strconv.ParseBool: parsing"
            + " \"maybe\": invalid syntax",
        "-longnamemax=300 | invalid argument \"300\" for \"--longnamemax\" flag: strconv.ParseUint:"
            + " parsing \"300\": value out of range",
        "-idle=5x | invalid argument \"5x\" for \"--idle\" flag: time: unknown unit \"x\" in"
            + " duration \"5x\"",
        "-idle=5 | invalid argument \"5\" for \"--idle\" flag: time: missing unit in duration \"5\""
      })
  void areRefusedInTheWordsOfTheGoLibrary(String argument, String message) {
    assertEquals(message, assertThrows(FlagException.class, () -> parse(argument)).getMessage());
  }

  @Test
  void askForHelpWithOneLetter() {
    assertThrows(HelpException.class, () -> parse("-h"));
    assertThrows(HelpException.class, () -> parse("--help"));
    assertThrows(HelpException.class, () -> parse("-help"));
  }

  @Test
  void refuseMountOptionsInsideOfMountOptions() {
    assertThrows(FlagException.class, () -> parse("a", "b", "-o", "o"));
    assertThrows(FlagException.class, () -> parse("a", "b", "-o"));
  }
}
