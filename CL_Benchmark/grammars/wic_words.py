"""Ambiguous words, each with two senses and some sentences for each sense."""

from .base import items, table

# word | sentences with its first sense | sentences with its second sense
_TABLE = table(
    """
    bank |
        {p} put money in the bank; the bank gave {p} a loan; the bank raised its fees {t};
        {p} works at a bank in town |
        {p} sat on the bank of the river; the boat reached the bank {t}; grass grew on the muddy bank;
        {p} fished from the bank
    bat |
        the bat flew out of the cave; {p} saw a bat in the attic {t}; a bat hunts insects at night;
        a bat slept under the roof |
        {p} swung the bat and hit the ball; the wooden bat broke {t}; {p} bought a bat and a glove;
        {p} held the bat with two hands
    spring |
        flowers bloom in spring; {p} was born in spring; birds return every spring; last spring {p} moved |
        the spring in the mattress broke; {p} oiled the spring of the clock; a steel spring pushed the lid {t};
        the toy has a spring inside
    letter |
        {p} mailed a letter {t}; the letter came in a blue envelope; {p} read the letter from home;
        {p} answered the letter |
        the word starts with the letter B; {p} wrote each letter of the alphabet; one letter is missing in the name;
        {p} painted a capital letter {t}
    match |
        {p} won the tennis match; the match ended in a draw; fans watched the match {t}; {p} scored in the match |
        {p} lit the fire with a match; the match burned his finger; {p} struck a match in the dark;
        a wet match will not light {t}
    ring |
        {p} wore a gold ring; the ring has a diamond; {p} lost her wedding ring {t}; the ring fits on the finger |
        the boxer stepped into the ring; {p} fought in the ring {t}; the crowd stood around the ring;
        the fighters left the ring
    seal |
        the seal swam under the ice; a seal ate the fish {t}; {p} fed the seal at the zoo; the seal lay on the rocks |
        the king put his seal on the paper; {p} broke the wax seal {t}; the letter bears a red seal;
        the document has an official seal
    trunk |
        the elephant raised its trunk; the elephant drank with its trunk; {p} touched the trunk of the elephant;
        the trunk sprayed water on {p} {t} |
        {p} put the bags in the trunk of the car; the trunk would not close; {p} found a spare tire in the trunk;
        {p} locked the trunk {t}
    light |
        {p} turned on the light; the light in the hall is bright; the light went out {t};
        {p} saw a light in the window |
        the bag is light and easy to lift; a light box fell on {p}; {p} packed a light suitcase {t};
        the feather is light
    crane |
        the crane lifted the steel beam; {p} drove a crane at the port; a crane moved the bricks {t};
        the tall crane stood at the building site |
        a crane stood in the marsh; {p} saw a crane with long legs {t}; the crane caught a frog;
        the crane flew south
    bark |
        the bark of the tree is rough; {p} peeled the bark off the log; beetles live under the bark;
        {p} carved a name in the bark {t} |
        the bark of the dog woke {p}; {p} heard a loud bark {t}; the puppy gave a short bark;
        the bark scared the cat
    palm |
        {p} held the coin in her palm; the palm of his hand was wet; {p} read my palm {t};
        a splinter stuck in the palm |
        {p} sat under a palm on the beach; coconuts fell from the palm {t}; a palm grows in the sand;
        the leaves of the palm moved
    pitcher |
        {p} poured water from the pitcher; the pitcher of milk is full; the glass pitcher broke {t};
        {p} filled the pitcher with juice |
        the pitcher threw a fast ball; the team needs a new pitcher; {p} was the best pitcher {t};
        the pitcher struck out three players
    nail |
        {p} hit the nail with a hammer; a rusty nail stuck in the board; {p} hung the picture on a nail {t};
        the nail held the plank |
        {p} painted the nail of her thumb; {p} broke a nail {t}; his nail is too long; {p} cut the nail on her toe
    scale |
        {p} stood on the scale; the scale showed two pounds; {p} weighed the flour on a scale {t};
        the kitchen scale is broken |
        {p} scraped a scale off the fish; the scale of a snake is dry; a silver scale fell from the trout {t};
        each scale of the dragon shone
    mouse |
        the mouse ate the cheese; a cat chased the mouse {t}; {p} saw a mouse in the barn;
        the mouse ran into its hole |
        {p} clicked the mouse; the mouse is plugged into the computer; {p} moved the cursor with the mouse {t};
        the wireless mouse needs a battery
    key |
        {p} opened the door with a key; the key is under the mat; {p} lost the house key {t};
        the key turned in the lock |
        the song is in the key of C; {p} sang in the wrong key {t}; the band changed the key of the tune;
        the piece is in a minor key
    note |
        {p} left a note on the fridge; the note said come home; {p} wrote a short note {t};
        a note from {p} was on the desk |
        {p} sang a high note; the note sounded flat; the flute held the last note {t};
        {p} played every note of the song
    court |
        the court found {p} guilty; the judge of the court spoke {t}; {p} went to court about the theft;
        the court heard the witness |
        {p} played tennis on the court; the ball bounced off the court {t}; the basketball court is indoors;
        players ran across the court
    star |
        {p} saw a bright star in the sky; the star is far from the earth; a star shone above the hill {t};
        {p} looked at a star through a telescope |
        {p} is a star of the movies; the star signed autographs {t}; fans followed the star;
        the film made {p} a star
    wave |
        a huge wave hit the ship; {p} rode a wave on a surfboard; a wave broke on the shore {t};
        the wave washed over the sand |
        {p} gave a wave from the train; a friendly wave came from {p} {t}; with a wave of the hand {p} left;
        the queen answered with a wave
    chest |
        {p} has a pain in the chest; the doctor listened to his chest {t}; the chest of {p} hurts when breathing;
        {p} folded her arms over her chest |
        {p} opened the wooden chest; the pirates buried a chest of gold {t}; {p} kept blankets in the chest;
        the lid of the chest is heavy
    plant |
        {p} watered the plant; the plant has green leaves; a plant grows in the pot;
        {p} put the plant in the sun {t} |
        the plant makes steel; {p} works at a power plant; the plant closed and workers left {t};
        the car plant hired {p}
    table |
        {p} set the plates on the table; the table has four legs; {p} sat at the table {t};
        {p} bought a wooden table |
        the table lists all prices; {p} found the numbers in the table; see the table on page ten;
        {p} filled a row of the table {t}
    glass |
        {p} drank a glass of water; the glass is full of milk; {p} filled the glass again {t};
        {p} raised a glass to the guests |
        the window is made of glass; {p} cut sheets of glass {t}; broken glass lay under the window;
        the roof is built of glass
    board |
        {p} sawed the board in two; a board in the floor is loose; {p} nailed a board to the wall {t};
        the board is made of pine |
        the board of the firm met {t}; {p} was voted onto the board; the board fired the director;
        the members of the board agreed
    fan |
        the fan cooled the room; {p} switched on the fan {t}; the blades of the fan turned;
        an electric fan stood on the desk |
        {p} is a fan of the team; a fan asked the singer for a photo; every fan cheered {t};
        {p} is the biggest fan of the band
    bow |
        {p} tied a bow in her hair; the gift had a red bow; {p} put a bow on the box {t}; a silk bow held the ribbon |
        {p} shot an arrow with a bow; the hunter carried a bow {t}; {p} bent the bow and aimed;
        the archer dropped his bow
    pen |
        {p} wrote with a pen; the pen ran out of ink {t}; {p} signed with a blue pen; a pen lay by the notebook |
        the pigs are in the pen; {p} closed the gate of the pen; a sheep escaped from the pen {t};
        the farmer cleaned the pen
    pipe |
        water leaked from the pipe; the plumber fixed the pipe {t}; a pipe under the sink burst;
        the pipe carries gas to the house |
        {p} smoked a pipe; the old man filled his pipe with tobacco; {p} lit the pipe {t}; smoke rose from his pipe
    check |
        {p} wrote a check for ten dollars; the check was cashed {t}; {p} paid the rent with a check;
        {p} signed the check |
        the check of the brakes took an hour; {p} passed the safety check; a quick check found no errors {t};
        a nurse made a check of the pulse
    file |
        {p} saved the file on the disk; the file is in the folder; {p} deleted the file {t}; {p} printed the file |
        {p} smoothed the metal with a file; the file is a rough steel tool;
        the prisoner cut the bars with a file {t}; a carpenter bought a file and a saw
    tie |
        {p} wore a silk tie; the tie matches the shirt; {p} loosened his tie {t};
        {p} bought a striped tie and a suit |
        the game ended in a tie; the vote was a tie {t}; both teams scored, so it was a tie;
        the tie meant extra time for {p}
    race |
        {p} won the race; the race is ten miles long; the horses ran a race {t}; {p} fell in the race |
        people of every race live here; the law protects all, whatever race; {p} wrote about race and class {t};
        the form asks for race and religion
    club |
        {p} joined the chess club; the club meets {t}; the members of the club voted; {p} pays the club a fee |
        {p} hit the golf ball with a club; the caveman carried a club; {p} swung the club {t};
        the heavy club was made of oak
    record |
        {p} played a jazz record; the record has a scratch; {p} bought an old record {t};
        the band sold its first record |
        {p} broke the record for the long jump; the runner set a record {t}; the record stood for ten years;
        {p} holds the world record
    """,
    3,
)

WORDS = {word: (items(first), items(second)) for word, first, second in _TABLE}
TIMES = items("today; yesterday; on Monday; on Friday; last night; in May; in June; that day; again; at noon")
