/**
 * Tells on stderr what is tried again; the same trouble once only, however often it is tried. A broker's text may name
 * something else each time (an object, a sequence number), so that only what comes before it tells one trouble from another.
 */
export function tellRetries(): (error: Error) => void {
  let told = "";
  return ({ message }) => {
    const trouble = message.split(": ", 2).join(": ");
    if (trouble !== told) process.stderr.write(`${message}; trying again\n`);
    told = trouble;
  };
}
