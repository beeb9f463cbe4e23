package io.coffer.posix;

/**
 * Numbers of the system calls. Source: arch/x86/entry/syscalls/syscall_64.tbl and
 * include/uapi/asm-generic/unistd.h (aarch64) of Linux.
 */
final class Numbers {
  private static final boolean X86 = Architecture.IS_X86_64;

  static final int CAPGET = number(125, 90);
  static final int CAPSET = number(126, 91);
  static final int CHDIR = number(80, 49);
  static final int CLOSE = number(3, 57);
  static final int CLOSE_RANGE = number(436, 436);
  static final int COPY_FILE_RANGE = number(326, 285);
  static final int DUP3 = number(292, 24);
  static final int EXECVE = number(59, 221);
  static final int EXIT_GROUP = number(231, 94);
  static final int FACCESSAT = number(269, 48);
  static final int FACCESSAT2 = number(439, 439);
  static final int FALLOCATE = number(285, 47);
  static final int FADVISE64 = number(221, 223);
  static final int FCHMOD = number(91, 52);
  static final int FCHMODAT = number(268, 53);
  static final int FCHOWN = number(93, 55);
  static final int FCHOWNAT = number(260, 54);
  static final int FCNTL = number(72, 25);
  static final int FDATASYNC = number(75, 83);
  static final int FGETXATTR = number(193, 10);
  static final int FLISTXATTR = number(196, 13);
  static final int FLOCK = number(73, 32);
  static final int FREMOVEXATTR = number(199, 16);
  static final int FSETXATTR = number(190, 7);
  static final int FSTATFS = number(138, 44);
  static final int FSYNC = number(74, 82);
  static final int FTRUNCATE = number(77, 46);
  static final int GETDENTS64 = number(217, 61);
  static final int GETEGID = number(108, 177);
  static final int GETEUID = number(107, 175);
  static final int GETGID = number(104, 176);
  static final int GETPGID = number(121, 155);
  static final int GETPID = number(39, 172);
  static final int GETPPID = number(110, 173);
  static final int GETTID = number(186, 178);
  static final int GETUID = number(102, 174);
  static final int GETXATTR = number(191, 8);
  static final int GETXATTRAT = number(464, 464);
  static final int IO_URING_ENTER = number(426, 426);
  static final int IO_URING_SETUP = number(425, 425);
  static final int IOCTL = number(16, 29);
  static final int KILL = number(62, 129);
  static final int LGETXATTR = number(192, 9);
  static final int LINKAT = number(265, 37);
  static final int LISTXATTR = number(194, 11);
  static final int LISTXATTRAT = number(465, 465);
  static final int LLISTXATTR = number(195, 12);
  static final int LREMOVEXATTR = number(198, 15);
  static final int LSEEK = number(8, 62);
  static final int LSETXATTR = number(189, 6);
  static final int MADVISE = number(28, 233);
  static final int MKDIRAT = number(258, 34);
  static final int MKNODAT = number(259, 33);
  static final int MLOCK = number(149, 228);
  static final int MMAP = number(9, 222);
  static final int MOUNT = number(165, 40);
  static final int MUNLOCK = number(150, 229);
  static final int MUNMAP = number(11, 215);
  static final int OPENAT = number(257, 56);
  static final int PIPE2 = number(293, 59);
  static final int PRCTL = number(157, 167);
  static final int PPOLL = number(271, 73);
  static final int PREAD64 = number(17, 67);
  static final int PRLIMIT64 = number(302, 261);
  static final int PWRITE64 = number(18, 68);
  static final int READ = number(0, 63);
  static final int READLINKAT = number(267, 78);
  static final int READV = number(19, 65);
  static final int RECVMSG = number(47, 212);
  static final int REMOVEXATTR = number(197, 14);
  static final int RENAMEAT2 = number(316, 276);
  static final int RT_SIGACTION = number(13, 134);
  static final int RT_SIGPROCMASK = number(14, 135);
  static final int SCHED_GETAFFINITY = number(204, 123);
  static final int SCHED_SETAFFINITY = number(203, 122);
  static final int SCHED_SETSCHEDULER = number(144, 119);
  static final int SENDMSG = number(46, 211);
  static final int SETFSGID = number(123, 152);
  static final int SETFSUID = number(122, 151);
  static final int SETGROUPS = number(116, 159);
  static final int SETSID = number(112, 157);
  static final int SETXATTR = number(188, 5);
  static final int SOCKET = number(41, 198);
  static final int SOCKETPAIR = number(53, 199);
  static final int ACCEPT4 = number(288, 242);
  static final int SHUTDOWN = number(48, 210);
  static final int BIND = number(49, 200);
  static final int LISTEN = number(50, 201);
  static final int SETSOCKOPT = number(54, 208);
  static final int GETSOCKOPT = number(55, 209);
  static final int STATX = number(332, 291);
  static final int SYMLINKAT = number(266, 36);
  static final int SYNC_FILE_RANGE = number(277, 84);
  static final int SYNCFS = number(306, 267);
  static final int UMASK = number(95, 166);
  static final int UMOUNT2 = number(166, 39);
  static final int UNSHARE = number(272, 97);
  static final int UNLINKAT = number(263, 35);
  static final int UTIMENSAT = number(280, 88);
  static final int WAIT4 = number(61, 260);
  static final int WRITE = number(1, 64);
  static final int WRITEV = number(20, 66);

  private Numbers() {}

  private static int number(int x86, int generic) {
    return X86 ? x86 : generic;
  }
}
