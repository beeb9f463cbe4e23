package io.coffer.vfs;

import io.coffer.format.NameCodec;
import io.coffer.format.fscrypt.FscryptContext;
import org.jspecify.annotations.Nullable;

/** What is remembered of a known directory: its context, and its names' codec, read once. */
final class DirectoryState {
  /**
   * Which tree of a volume with policies a directory belongs to.
   *
   * @param context null in a tree without policy
   */
  record Tree(@Nullable FscryptContext context) {
    static final Tree PLAIN = new Tree(null);

    /** Have the two the same policy, or none both? */
    boolean isLike(Tree other) {
      if (context == null) {
        return other.context == null;
      }
      return other.context != null && context.policy().equals(other.context.policy());
    }
  }

  volatile @Nullable NameCodec codec;

  volatile @Nullable Tree tree;

  /** A log line about undecodable names was written. */
  volatile boolean badNamesReported;
}
