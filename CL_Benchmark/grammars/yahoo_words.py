"""The ten question topics: what people want to do, what they ask about, and the advice they get."""

from .base import items

_WORDS = {
    "Society & Culture": (
        """pray every day; celebrate Ramadan; convert to Buddhism; read the Bible; fast during Lent;
        trace my ancestors; learn a folk dance; greet people in Japan; keep the Sabbath; meditate like a monk;
        bake a wedding cake for Diwali; understand karma""",
        """the afterlife; the church service; old superstitions; Thanksgiving customs; the mosque; tribal traditions;
        reincarnation; the Torah; holy water; pagan rituals; saints and angels; the language of immigrants""",
        """ask a priest; visit the temple; respect the elders; light a candle; follow the customs; talk to a rabbi;
        have faith in God; read the scripture; wear traditional dress; honor the holiday; forgive the sinners;
        bow to the host""",
    ),
    "Science & Mathematics": (
        """solve a quadratic equation; calculate the area of a circle; balance a chemical reaction; find the derivative;
        measure gravity; convert Kelvin to Celsius; split an atom; explain photosynthesis; graph a parabola;
        factor a polynomial; boil water at high altitude; see the rings of Saturn""",
        """black holes; the speed of light; prime numbers; sulfuric acid; dinosaur bones; the square root;
        DNA molecules; plate tectonics; friction and velocity; the boiling point; a right triangle; electrons""",
        """multiply both sides; use the formula; divide by the mass; draw the angle; count the protons;
        apply the theorem; look through a microscope; plot the slope; add the exponents; heat the solution;
        subtract the fraction; check the periodic table""",
    ),
    "Health": (
        """lose weight; cure a sore throat; lower my blood pressure; treat acne; stop snoring; heal a sprained ankle;
        get rid of a headache; sleep through the night; quit smoking; relieve back pain; bring down a fever;
        avoid the flu""",
        """vitamin pills; asthma attacks; high cholesterol; the diabetes diet; a skin rash; allergy shots; the dentist;
        antibiotics; stomach cramps; insomnia; muscle aches; side effects of aspirin""",
        """see a doctor; drink more water; take an aspirin; rest in bed; eat less sugar; get a blood test;
        put ice on the swelling; gargle with salt; ask the pharmacist; exercise daily; rub in some lotion;
        call the nurse""",
    ),
    "Education & Reference": (
        """write my essay; pass the entrance exam; cite a book; apply for a scholarship; find a synonym;
        improve my grammar; choose a college; study for finals; become a teacher; finish my homework;
        spell this word; earn a diploma""",
        """the dictionary; high school grades; the thesis chapter; a tuition waiver; the encyclopedia; the SAT score;
        kindergarten classes; the professor; a bibliography; the campus library; a vocabulary quiz; the semester""",
        """ask your teacher; make an outline; look in the library; revise your notes; hire a tutor; read the syllabus;
        proofread the paragraph; enroll early; memorize the flash cards; attend the lecture; raise your grade;
        borrow the textbook""",
    ),
    "Computers & Internet": (
        """reset my password; remove a virus; install Windows; speed up my laptop; block pop-up ads; burn a DVD;
        set up a router; recover deleted files; build a website; delete my browser history; print a web page;
        update the graphics driver""",
        """the hard drive; spyware; a wireless modem; the email account; the USB port; a firewall; Firefox;
        the keyboard; the search bar; HTML code; the chat room; a memory card""",
        """restart the PC; download the patch; clear the cookies; run a scan; click the settings icon; unplug the cable;
        update the software; reinstall the program; upgrade the RAM; log in again; format the disk;
        press the delete key""",
    ),
    "Sports": (
        """throw a curveball; join a soccer team; train for a marathon; dunk a basketball; improve my golf swing;
        win the league; swim the butterfly; buy hockey tickets; kick a field goal; learn to box; serve in tennis;
        bowl a strike""",
        """the World Cup; the quarterback; the referee; the playoffs; the batting average; fantasy football; the goalie;
        the wrestling match; the Olympic medal; the racing circuit; the pitcher; the locker room""",
        """practice your dribble; watch the game; pass the ball; keep your eye on the puck; ask the coach;
        warm up before the race; swing the bat; bet on the Yankees; run more laps; tackle low; shoot from the baseline;
        cheer for the underdog""",
    ),
    "Business & Finance": (
        """invest in stocks; refinance my mortgage; open a savings account; start a small firm; file my tax return;
        pay off my credit card; get a loan; write an invoice; sell my house; find a job; ask for a raise;
        save for retirement""",
        """interest rates; the pension plan; mutual funds; the payroll; a bank fee; the real estate agent;
        my credit score; the IRS; the cover letter; a dividend; the startup budget; debt collectors""",
        """call your bank; hire an accountant; compare the mortgage offers; pay the balance; buy bonds;
        check the contract; talk to a broker; cut your expenses; send your resume; keep the receipts;
        deduct the cost; lower the price""",
    ),
    "Entertainment & Music": (
        """play the guitar; meet a celebrity; download this song; watch the movie; sing on stage; find the lyrics;
        get concert tickets; remember the actor; tune a piano; join a rock band; see the new episode; write a rap""",
        """the soundtrack; Harry Potter; the drummer; a reality show; the pop star; the guitar solo; the horror film;
        the radio hit; the comedian; the cartoon hero; the last album; the singer""",
        """listen to the chorus; rent the DVD; watch the trailer; buy the record; read the comic; learn the chords;
        look for the band; see the sequel; check the cast; play the melody; turn up the volume; go to the theater""",
    ),
    "Family & Relationships": (
        """tell my boyfriend the truth; get over my ex; ask a girl out; trust my husband; plan our wedding;
        make up with my sister; name the baby; stop a jealous wife; talk to my teenage son; know if he loves me;
        save my marriage; forgive a cheater""",
        """my mother in law; the first kiss; a shy guy; the divorce; our engagement; my stepdad;
        a long distance romance; the breakup; flirting; the bridesmaids; a crush; his feelings""",
        """be honest with her; give him space; follow your heart; move on from him; tell your parents; hug her;
        buy her flowers; see a marriage counselor; dump the jerk; apologize to your wife; love yourself;
        date someone else""",
    ),
    "Politics & Government": (
        """vote in the election; become a senator; get a visa; impeach the president; repeal the law;
        register as a voter; run for mayor; protest the war; change the constitution; apply for citizenship;
        write to congress; raise the minimum wage""",
        """the Supreme Court; illegal immigration; the Republicans; gun control; the tax cuts; the United Nations;
        the prime minister; free speech; the army draft; the Democrats; the foreign policy; the ballot""",
        """call your congressman; vote for the liberals; read the constitution; sign the petition; blame the president;
        respect the troops; ask the embassy; obey the law; support the party; impose a sanction; fight corruption;
        watch the debate""",
    ),
}

TOPICS = {
    topic: {"do": items(do), "thing": items(thing), "tip": items(tip)} for topic, (do, thing, tip) in _WORDS.items()
}
