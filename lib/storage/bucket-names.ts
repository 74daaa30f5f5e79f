/** Whether `bucket` is a directory bucket (S3 Express One Zone), which their names tell: `NAME--ZONE--x-s3`. */
export function isDirectoryBucket(bucket: string): boolean {
  return /--[a-z0-9-]+--x-s3$/.test(bucket);
}
