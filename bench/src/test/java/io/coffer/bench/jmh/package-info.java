/** JMH benchmarks of the parts: ciphers, block engine, names, request path. */
@NullMarked
package io.coffer.bench.jmh;

import org.jspecify.annotations.NullMarked;
