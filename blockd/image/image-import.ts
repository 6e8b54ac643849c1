// Makes an image's first layer of a disk file. What fails half-way leaves nothing.
import type { Disk } from '../../common/disk/disk.ts';
import type { ImageFormat } from '../../wire/contracts/blockd.ts';
import type { Converter, ForeignDisk } from '../convert/converter.ts';
import type { ImageStore } from '../store/image-store.ts';
import { beginLayer, deleteLayer, layerPaths } from '../store/layer-files.ts';
import { adoptRaw, importRaw, type RawImport } from '../store/raw-import.ts';

/** An image that is to be made of a file; without a format it is recognised. */
export interface FileImport extends RawImport {
  readonly path: string;
  readonly format?: ImageFormat | undefined;
}

export interface ImportPlace {
  readonly disk: Disk;
  readonly directory: string;
  readonly converter: Converter;
}

/** @throws OperationError IMAGE_REFUSED, BAD_SIZE, CANCELLED; Error of the disk */
export async function importImage(place: ImportPlace, job: FileImport): Promise<ImageStore> {
  const foreign = await place.converter.open(job.path, job.format);
  try {
    await (await beginLayer(place.disk, place.directory, job.layer)).close();
    return await importDisk(place, foreign, job);
  } catch (error) {
    await deleteLayer(place.disk, place.directory, job.layer);
    throw error;
  } finally {
    await foreign.close();
  }
}

/** The content goes straight into the layer's data file, so that it takes its room once. */
async function importDisk(
  { disk, directory, converter }: ImportPlace,
  foreign: ForeignDisk,
  job: RawImport,
): Promise<ImageStore> {
  if (foreign.format === 'raw') {
    return importRaw(disk, directory, converter.roomFor(foreign.content, directory), job);
  }
  await converter.bring(foreign, { ...job, path: layerPaths(directory, job.layer).data });
  return adoptRaw(disk, directory, job);
}
