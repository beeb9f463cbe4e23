package io.coffer.keyserver.batch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class GroupCommitTest {
  private final List<List<Integer>> batches = Collections.synchronizedList(new ArrayList<>());
  private final Semaphore mayRun = new Semaphore(0);
  private final CountDownLatch runs = new CountDownLatch(1);

  private final GroupCommit<Integer> commit =
      new GroupCommit<>(
          new GroupCommit.Work<>() {
            @Override
            public boolean fits(List<Integer> batch, Integer next) {
              return batch.size() < 3;
            }

            @Override
            public void run(List<Integer> batch) {
              runs.countDown();
              mayRun.acquireUninterruptibly();
              batches.add(List.copyOf(batch));
              if (batch.contains(-1)) {
                throw new IllegalStateException("a batch that fails");
              }
            }
          });

  @Test
  void thoseWhoComeDuringABatchShareTheNextInTheirOrder() throws Exception {
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Thread> waiting = new ArrayList<>();
      threads.execute(() -> commit.run(0));
      assertTrue(runs.await(30, TimeUnit.SECONDS));
      for (int i = 1; i <= 5; i++) {
        int item = i;
        Thread thread = Thread.ofPlatform().start(() -> commit.run(item));
        waiting.add(thread);
        while (thread.getState() != Thread.State.WAITING) {
          Thread.sleep(1);
        }
      }
      mayRun.release(10);
      for (Thread thread : waiting) {
        thread.join();
      }
    }
    assertEquals(List.of(List.of(0), List.of(1, 2, 3), List.of(4, 5)), batches);
  }

  @Test
  void manyAreEachDoneOnce() throws Exception {
    mayRun.release(1_000_000);
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> all = new ArrayList<>();
      for (int i = 0; i < 20; i++) {
        int first = i * 1000;
        all.add(
            threads.submit(() -> {
              for (int item = first; item < first + 1000; item++) {
                commit.run(item);
              }
            }));
      }
      for (Future<?> each : all) {
        each.get(60, TimeUnit.SECONDS);
      }
    }
    List<Integer> done = new ArrayList<>();
    batches.forEach(done::addAll);
    Collections.sort(done);
    assertEquals(20_000, done.size());
    for (int i = 0; i < done.size(); i++) {
      assertEquals(i, done.get(i));
    }
  }

  @Test
  void aFailureEndsItsBatchAndNothingElse() {
    mayRun.release(10);
    assertThrows(IllegalStateException.class, () -> commit.run(-1));
    commit.run(7);
    assertEquals(List.of(List.of(-1), List.of(7)), batches);
  }
}
