#include "workload.h"

#include <stddef.h>

/*
 * Words of a block: 0 sequence, 1 number, 2 kind, last checksum; the odd ones between are noise and
 * the even ones repeat the number, so that a block compresses to about a half, as real memory does.
 */
enum { WORD_SEQUENCE, WORD_NUMBER, WORD_KIND, WORD_FIRST, WORD_CHECKSUM = BLOCK_WORDS - 1 };

uint64_t boot_nonce[2];

static uint64_t add_word(uint64_t sum, uint64_t word) {
    return ((sum << 5) | (sum >> 59)) + word;
}

static uint64_t checksum(const uint64_t *block) {
    uint64_t sum = boot_nonce[1];
    for (int i = 0; i < WORD_CHECKSUM; i++) {
        sum = add_word(sum, block[i]);
    }
    return sum;
}

void fill_block(uint64_t *block, int kind, uint64_t number, uint64_t sequence) {
    uint64_t noise = (number + 1) * 0x9e3779b97f4a7c15ULL ^ sequence * 0xc2b2ae3d27d4eb4fULL ^ boot_nonce[0];
    uint64_t sum = boot_nonce[1];
    block[WORD_SEQUENCE] = sequence;
    block[WORD_NUMBER] = number;
    block[WORD_KIND] = kind;
    for (int i = WORD_FIRST; i < WORD_CHECKSUM; i += 2) {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        block[i] = noise;
        block[i + 1] = number; /* for the last i this is the checksum's place, written below */
    }
    for (int i = 0; i < WORD_CHECKSUM; i++) {
        sum = add_word(sum, block[i]);
    }
    block[WORD_CHECKSUM] = sum;
}

static const char *judge_unwritten(const uint64_t *block) {
    uint64_t any = 0;
    for (int i = 0; i < BLOCK_WORDS; i++) {
        any |= block[i];
    }
    return any == 0 ? NULL : "not-zero";
}

const char *judge_block(const uint64_t *block, int kind, uint64_t number, uint64_t sequence) {
    if (sequence == 0) {
        return judge_unwritten(block);
    }
    if (checksum(block) != block[WORD_CHECKSUM]) {
        return "checksum";
    }
    if (block[WORD_KIND] != (uint64_t)kind || block[WORD_NUMBER] != number) {
        return "misplaced";
    }
    if (block[WORD_SEQUENCE] != sequence) {
        return block[WORD_SEQUENCE] < sequence ? "lost-write" : "future-write";
    }
    return NULL;
}

uint64_t hash_block(uint64_t hash, const uint64_t *block) {
    for (int i = 0; i < BLOCK_WORDS; i++) {
        hash = add_word(hash, block[i]);
    }
    return (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9ULL;
}

uint64_t next_random(uint64_t *state) {
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return x * 0x2545f4914f6cdd1dULL >> 11;
}
