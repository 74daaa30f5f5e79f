/** Tells on stderr what is tried again; the same text once only, however often it is tried. */
export function tellRetries(): (error: Error) => void {
  let told = "";
  return ({ message }) => {
    if (message !== told) process.stderr.write(`${message}; trying again\n`);
    told = message;
  };
}
