package io.coffer.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

/** What mount(8) makes of an entry in /etc/fstab. */
class MountHelperTest {
  @Test
  void aCallOfMountBecomesTheCommandMount() {
    assertArrayEquals(
        new String[] {"mount", "-o", "rw,idle=10m", "/srv/v", "/mnt/v"},
        MountHelper.toCommand(
            new String[] {"/srv/v", "/mnt/v", "-s", "-v", "-o", "rw,idle=10m", "-t", "x"}));
  }

  @Test
  void aFakeMountDoesNothing() {
    assertNull(MountHelper.toCommand(new String[] {"/srv/v", "/mnt/v", "-f"}));
  }

  @Test
  void theTypeMayStandBeforeTheDirectory() {
    assertArrayEquals(
        new String[] {"mount", "/srv/v", "/mnt/v"},
        MountHelper.toCommand(new String[] {"coffer#/srv/v", "/mnt/v"}));
  }

  @Test
  void mountFuseIsToldFromAUser() {
    assertTrue(MountHelper.isCalledByMountFuse(new String[] {"/srv/v", "/mnt/v", "-o", "rw,dev"}));
    assertFalse(MountHelper.isCalledByMountFuse(new String[] {"mount", "/v", "-o", "ro"}));
    assertFalse(MountHelper.isCalledByMountFuse(new String[] {"info", "/srv/v"}));
  }

  @Test
  void optionsForMountItselfAreLeftToIt() {
    assertEquals(
        List.of("allow_other", "password_file"),
        FstabOptions.parse(
                "noauto,user,x-systemd.automount,_netdev,nofail,allow_other,password-file=/k,,comment=x")
            .stream()
            .map(FstabOptions.Item::name)
            .toList());
  }
}
