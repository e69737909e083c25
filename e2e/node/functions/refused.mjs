// Answers with a status that Object Lambda does not take.
import { answer } from './read.mjs';

export const handler = event => answer(event, { StatusCode: 201, Body: 'created' });
