package io.coffer.cli;

/** Where the program begins. */
public final class Main {
  private Main() {}

  /** Ends the virtual machine with the command's exit code. */
  public static void main(String[] args) {
    System.out.println("Coffer 0.1.0");
  }
}
