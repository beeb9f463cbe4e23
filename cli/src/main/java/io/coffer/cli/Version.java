package io.coffer.cli;

/** Which Coffer this is. */
public final class Version {
  /** The version, as in the build. */
  public static final String NUMBER = "0.1.0";

  /** The version of gocryptfs whose command line and format are followed. */
  public static final String GOCRYPTFS = "2.6.1";

  private Version() {}

  /** One line about program and virtual machine. */
  public static String line() {
    return "Coffer " + NUMBER + "; " + platform();
  }

  /** The virtual machine and the machine. */
  public static String platform() {
    return "Java "
        + Runtime.version().toString().replaceAll("-LTS$", "")
        + " "
        + System.getProperty("os.name").toLowerCase(java.util.Locale.ROOT)
        + "/"
        + System.getProperty("os.arch");
  }
}
