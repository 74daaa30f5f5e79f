import { expect, test } from "vitest";
import { FrameMemory } from "#lib/gateway/frame-memory.ts";
import { defined } from "#lib/util/assert.ts";
import { FRAME_BLOCK_BYTES, FRAME_BLOCKS_MAX } from "#lib/util/limits.ts";

test("memory that was given back is used again", () => {
  const memory = new FrameMemory();
  const first = defined(memory.take(100_000));
  memory.giveBack(first);
  const second = defined(memory.take(200_000));
  expect(second.buffer).toBe(first.buffer);
  expect([first.byteLength, second.byteLength]).toEqual([100_000, 200_000]);
});

test("no two frames share memory, however many are lent", () => {
  const memory = new FrameMemory();
  const frames = Array.from({ length: FRAME_BLOCKS_MAX }, () => defined(memory.take(1)));
  expect(new Set(frames.map(({ buffer }) => buffer)).size).toBe(FRAME_BLOCKS_MAX);
});

test("beyond its bound it lends nothing until something comes back", () => {
  const memory = new FrameMemory();
  const frames = Array.from({ length: FRAME_BLOCKS_MAX }, () => defined(memory.take(FRAME_BLOCK_BYTES)));
  expect(memory.take(1)).toBeUndefined();
  memory.giveBack(defined(frames[0]));
  expect(memory.take(1)).toBeDefined();
  for (const frame of frames) memory.giveBack(frame);
  expect(memory.byteLength).toBe(FRAME_BLOCKS_MAX * FRAME_BLOCK_BYTES);
});

test("frames larger than a block are not lent memory", () => {
  expect(new FrameMemory().take(FRAME_BLOCK_BYTES + 1)).toBeUndefined();
});

test("a frame that is given back twice does not take its block from the frame that has it now", () => {
  const memory = new FrameMemory();
  const first = defined(memory.take(1));
  memory.giveBack(first);
  const second = defined(memory.take(1));
  memory.giveBack(first);
  const third = defined(memory.take(1));
  expect(third.buffer).not.toBe(second.buffer);
});

test("memory of somebody else is not taken", () => {
  const memory = new FrameMemory();
  memory.giveBack(new Uint8Array(FRAME_BLOCK_BYTES));
  expect(memory.byteLength).toBe(0);
});
