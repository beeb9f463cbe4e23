package io.coffer.vfs;

/** What a handle number stands for. */
sealed interface OpenHandle extends SlotTable.Numbered, AutoCloseable
    permits OpenFile, OpenDirectory {
  @Override
  void close();
}
