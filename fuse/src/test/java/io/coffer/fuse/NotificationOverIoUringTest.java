package io.coffer.fuse;

import org.junit.jupiter.api.extension.ExtendWith;

/** The same with requests that come over io_uring. */
@ExtendWith(IoUringSwitch.class)
class NotificationOverIoUringTest extends NotificationTest {
  @Override
  boolean overIoUring() {
    return true;
  }
}
