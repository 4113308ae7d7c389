/**
 * Measures vmckpt beside its peers on real guests.
 *
 * <p>A <em>suite</em> is one run of one kind of measurement. Its <em>contenders</em>, vmckpt and
 * its <em>peers</em>, do the same work on the same guest in turn, <em>round</em> by round, so that
 * all of them meet the same machine. A <em>row</em> is one quantity of one kind of guest: a
 * distribution over the rounds for vmckpt and one for each peer that has such a quantity. All rows
 * of a run make its {@link org.vmckpt.testvm.bench.BenchReport}, the form of every suite.
 */
@NullMarked
package org.vmckpt.testvm.bench;

import org.jspecify.annotations.NullMarked;
