// Heat by cells: every event lies in the cell of its block, also where a cell's edge goes through a group of eight.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BlockHeat, HALF_LIFE_MS } from '../../../../blockd/propagation/block-heat.ts';
import { HeatMapSurvey } from '../../../../blockd/propagation/heat-map.ts';
import { SchemaCheck } from '../../../../common/schema-check.ts';
import { HeatMap } from '../../../../wire/contracts/heat.ts';
import { Prng } from '../../../sim/prng.ts';

function mapOf(heat: BlockHeat, cellsMax: number): HeatMap {
  const survey = new HeatMapSurvey(heat, cellsMax);
  while (!survey.step(3));
  return survey.map;
}

test('every event lies in its cell, however the cells are cut (property)', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const prng = new Prng(seed);
    const blocks = 1 + prng.integer(5_000);
    const cellsMax = 1 + prng.integer(300);
    const heat = new BlockHeat(blocks, () => true);
    const cellBlocks = Math.ceil(blocks / cellsMax);
    const cells = Math.ceil(blocks / cellBlocks);
    const [reads, writes] = [new Array<number>(cells).fill(0), new Array<number>(cells).fill(0)];
    for (let event = 0; event < 500; event++) {
      const block = prng.integer(blocks);
      const cell = Math.floor(block / cellBlocks);
      if (prng.next() < 0.5) {
        heat.addRead(block);
        reads[cell] = (reads[cell] ?? 0) + 1;
      } else {
        heat.addWrite(block);
        writes[cell] = (writes[cell] ?? 0) + 1;
      }
    }
    const map = mapOf(heat, cellsMax);
    assert.equal(map, { cellBlocks, reads, writes }, `seed ${seed}`);
    assert.ok(map.reads.length <= cellsMax && new SchemaCheck(HeatMap).accepts(map));
  }
});

test('a half-life later it is half as hot; an image without events is cold all over', () => {
  const heat = new BlockHeat(100, () => true);
  for (let event = 0; event < 8; event++) heat.addWrite(50);
  heat.setTime(HALF_LIFE_MS);
  assert.is(mapOf(heat, 10).writes[5], 4);
  assert.equal(mapOf(new BlockHeat(3, () => true), 10), { cellBlocks: 1, reads: [0, 0, 0], writes: [0, 0, 0] });
});

test.run();
