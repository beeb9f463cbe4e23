package io.coffer.vfs;

/**
 * What the encrypted view of a plain tree shows.
 *
 * @param exclude what is left out
 * @param oneFilesystem directories on which another filesystem is mounted look empty
 * @param configInTree the configuration lies in the tree's root and is shown as that of the
 *     encrypted volume; else neither happens
 */
public record ReverseOptions(ExcludePatterns exclude, boolean oneFilesystem, boolean configInTree) {
  /** Shows everything. */
  public static final ReverseOptions DEFAULT =
      new ReverseOptions(ExcludePatterns.NONE, false, true);
}
