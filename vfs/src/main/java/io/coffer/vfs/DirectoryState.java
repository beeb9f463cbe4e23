package io.coffer.vfs;

import io.coffer.format.NameCodec;
import org.jspecify.annotations.Nullable;

/** What is remembered of a known directory: its names' codec, read once. */
final class DirectoryState {
  volatile @Nullable NameCodec codec;

  /** A log line about undecodable names was written. */
  volatile boolean badNamesReported;
}
