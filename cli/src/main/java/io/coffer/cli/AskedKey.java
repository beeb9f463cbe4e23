package io.coffer.cli;

import io.coffer.batch.BatchException;
import io.coffer.crypto.SecretBytes;
import io.coffer.keys.GocryptfsVolume;
import io.coffer.keys.VolumeException;
import java.io.IOException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/** A key that somebody else is asked for while this process does other things. */
final class AskedKey implements AutoCloseable {
  private final FutureTask<SecretBytes> answer;

  private AskedKey(FutureTask<SecretBytes> answer) {
    this.answer = answer;
  }

  /** Asks. */
  static AskedKey of(JobKey ticket, GocryptfsVolume volume) {
    FutureTask<SecretBytes> answer = new FutureTask<>(() -> ticket.unlock(volume));
    Thread.ofPlatform().daemon().name("key").start(answer);
    return new AskedKey(answer);
  }

  /** Waits for the answer; {@link #close} closes the key, if nobody else does. */
  SecretBytes get()
      throws CommandException, VolumeException, BatchException, IOException, InterruptedException {
    try {
      return answer.get();
    } catch (ExecutionException e) {
      switch (e.getCause()) {
        case CommandException failure -> throw failure;
        case VolumeException failure -> throw failure;
        case BatchException failure -> throw failure;
        case IOException failure -> throw failure;
        case null, default -> throw new IllegalStateException(e.getCause());
      }
    }
  }

  /** Wipes the key, when it is there. */
  @Override
  public void close() {
    try {
      answer.get().close();
    } catch (ExecutionException e) {
      // There is none.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
