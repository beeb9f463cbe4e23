/**
 * The command line of gocryptfs: its flags, messages and exit codes, so that scripts and container
 * runtimes written for it work unchanged. Source: the public gocryptfs repository (cli_args.go,
 * main.go, Documentation/CLI_ABI.md) and the behaviour of gocryptfs 2.3. What is knowingly
 * different is listed in docs/gocryptfs-differences.md.
 */
@NullMarked
package io.coffer.cli.gocryptfs;

import org.jspecify.annotations.NullMarked;
